"""Restoring: a backup in the place of what the shop knows, and nothing around it that knows more.

The broker may hold what is newer than the backup, and held what was on its way when that was made. It is emptied, and
each service lets its outbox be sent once more (`resume`): by their inboxes all hear only what they have not heard.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from stoa.backups import Manifest, load, read_manifest
from stoa.credentials import read_credentials
from stoa.migrating import migrate
from stoa.preflight import NotNow
from stoa.servers import SCHEMAS
from stoa.stack import Stack
from stoa.starting import UNFINISHED, House

Step = Callable[[str], AbstractContextManager[None]]


def restore(house: House, folder: Path, step: Step) -> Manifest:
    """Stop the services, bring the backup back and start all again. Raises NotNow; then no service runs."""
    manifest = read_manifest(Stack(house.settings, read_credentials(house.settings)), folder)
    try:
        house.exchange(lambda stack: _bring_back(stack, folder, step))
    except KeyboardInterrupt:
        raise NotNow("The restore was broken off; look at `stoa status`, and repeat it.") from None
    return manifest


def _bring_back(stack: Stack, folder: Path, step: Step) -> None:
    mark = stack.settings.folder / UNFINISHED
    mark.touch(mode=0o600)
    with step("load six schemas"):
        load(stack.mysql, folder)
    with step("migrate six schemas"):
        migrate(stack.migrations)
    with step("empty the broker and Redis"):
        stack.rabbitmq.empty()
        stack.redis.empty()
    for service in SCHEMAS:
        with step(f"let {service} go on from there"):
            _resume(stack, service)
    mark.unlink()


def _resume(stack: Stack, service: str) -> None:
    try:
        stack.way_to(service).change("resume")
    except NotNow as failure:
        raise NotNow(f"{service} cannot go on from this backup; restore it again.", failure.tail) from None

"""The doctor: every service holds itself against its sisters, and one table tells what does not agree.

No service's schema is read from outside: each runs its own `check` in its own environment, here or wherever it is.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import ValidationError
from rich.table import Column, Table
from rich.text import Text

from common.checking import Finding
from stoa.importing import Door
from stoa.operating import Way
from stoa.preflight import NotNow
from stoa.servers import SCHEMAS
from stoa.servers.asking import ask

AT_ONCE = 2
"""Services that check at the same time: they ask each other, and buyers are there as well."""
SIGNS = {"well": ("✔", "green"), "wrong": ("✘", "bold red"), "not asked": ("?", "yellow")}
NAME = "{service}"


def through(words: str, service: str) -> Way:
    """How a service's command is run where these words lead, such as `docker compose exec -T {service}`.

    Raises NotNow where they name no place.
    """
    try:
        parts = shlex.split(words)
    except ValueError as error:
        raise NotNow(f"--through cannot be read: {error}.") from None
    if not any(NAME in part for part in parts):
        raise NotNow(f"--through has to say where the service comes in, as {NAME}.")
    return Way([*(part.replace(NAME, service) for part in parts), "python", "-m", f"{service}.commands"])


def examine(way_to: Callable[[str], Way], gateway: Door, patience_s: float) -> Iterator[Finding]:
    """What is found, in the order of the services, as soon as each is done."""
    yield _up(gateway)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for found in pool.map(lambda service: _asked(service, way_to(service), patience_s), SCHEMAS):
            yield from found


def _up(gateway: Door) -> Finding:
    """Whether every service answers behind the gateway."""
    answer = ask(f"{gateway.url}/api/health/", trusted=gateway.trusted)
    try:
        states: dict[str, str] = answer.json()["services"] if answer is not None else {}
    except (ValueError, KeyError, TypeError):
        states = {}
    if not states:
        return _finding("services answer", "gateway", f"{gateway.url}/api/health/ does not answer", "not asked")
    down = [service for service in SCHEMAS if states.get(service) != "up"]
    found = f"down: {', '.join(down)}" if down else f"{len(states)} up"
    return _finding("services answer", "gateway", found, "wrong" if down else "well")


def _asked(service: str, way: Way, patience_s: float) -> list[Finding]:
    try:
        done = way.captured("check", "--patience", str(patience_s))
    except OSError as error:
        return [_finding("all of it", service, f"{way.words[0]} cannot be run: {error.strerror}", "not asked")]
    found = list(_read(done.stdout))
    if not found or done.returncode not in (0, 1, 2):
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        found.append(_finding("all of it", service, last[0] if last else f"exit code {done.returncode}", "not asked"))
    return found


def _read(output: str) -> Iterator[Finding]:
    """The findings among the lines; what the service logs meanwhile is none."""
    for line in output.splitlines():
        try:
            yield Finding.model_validate_json(line)
        except ValidationError:
            continue


def _finding(compared: str, between: str, found: str, state: Any) -> Finding:
    return Finding(compared=compared, between=between, found=found, state=state)


def findings_table(findings: Sequence[Finding]) -> Table:
    """The same for people. Nothing of what a service says is read as markup."""
    result = Table("", "compared", "between", Column("found", overflow="fold"), box=None, padding=(0, 2))
    for it in findings:
        sign, style = SIGNS[it.state]
        row = (Text(text) for text in (it.compared, it.between, it.found))
        result.add_row(Text(sign, style), *row, style="" if it.state == "well" else style)
    return result

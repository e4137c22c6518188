"""Where the stack of this checkout runs: as processes of this machine, or in containers."""

from stoa.containers import engine
from stoa.settings import Settings

FOLDER = "containers"
"""In the run folder while the stack runs in containers."""


def in_containers(settings: Settings) -> bool:
    """What STOA_DOCKER says; `auto` is where it runs or has data, else in containers where an engine answers."""
    if settings.docker != "auto":
        return settings.docker == "on"
    if (settings.folder / FOLDER).exists():
        return True
    return not (settings.folder / "mysql").exists() and engine.answers()

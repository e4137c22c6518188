"""Programs that measure and are not ours: which are needed, and what brings them."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from measuring.results import NoLoad


class NoTool(NoLoad):
    """A program is missing; the text is a sentence."""


@dataclass(frozen=True)
class Tool:
    """A program by any of its names, and the packages that bring it."""

    names: tuple[str, ...]
    purpose: str
    packages: str

    def path(self) -> str:
        """Where it is. Raises NoTool."""
        found = next(filter(None, map(shutil.which, self.names)), None)
        if found is None:
            raise NoTool(f"{self.purpose} {self.names[0]}; `apt-get install {self.packages}` brings it.")
        return found


WRK = Tool(("wrk",), "The load comes from", "wrk")
CC = Tool(("cc", "gcc"), "The thousand clients are a C program and need", "gcc libc6-dev")
SLAP = Tool(("mariadb-slap", "mysqlslap"), "The bound for orders comes from", "mariadb-client")


def require(tools: Iterable[Tool]) -> None:
    """Raises NoTool that names every one that is missing, before anything is started."""
    missing = []
    for tool in sorted(set(tools), key=lambda tool: tool.names):
        try:
            tool.path()
        except NoTool as failure:
            missing.append(str(failure))
    if missing:
        raise NoTool(" ".join(missing))

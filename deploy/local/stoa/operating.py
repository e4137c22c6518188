"""Runs a service's own commands for operators, wherever that service runs."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stoa.preflight import NotNow

Rebuildable = Literal["cart", "realtime"]
"""Services that can build what they know from others anew."""


@dataclass(frozen=True)
class Way:
    """How a service's commands are called: the words before theirs, the environment, the folder."""

    words: Sequence[str]
    environment: Mapping[str, str] | None = None
    folder: Path | None = None

    def at_terminal(self, *words: str, **variables: str) -> int:
        """Run a command at this terminal, with these variables besides; its exit code. Why it fails it says itself."""
        return subprocess.run([*self.words, *words], env=self._told(variables), cwd=self.folder, check=False).returncode

    def captured(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The same, with what it prints kept. Raises OSError where there is no such program."""
        return subprocess.run(
            [*self.words, *words],
            env=self._told(variables),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def change(self, *words: str, **variables: str) -> None:
        """Run a command that changes something. Raises NotNow when it fails."""
        if self.at_terminal(*words, **variables) != 0:
            raise NotNow("Nothing was changed.")

    def _told(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {**(os.environ if self.environment is None else self.environment), **variables}

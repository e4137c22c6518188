"""The operator of a site, at a terminal of their own."""

import os
import re
from collections.abc import Sequence

import pytest
from rich.console import Console
from typer.testing import CliRunner

from stoa import caring, cli

from .site import Site


class Operator:
    """Says `stoa …` as if the site were this checkout's own stack."""

    def __init__(self, site: Site) -> None:
        settings = site.settings
        names = ("run", "env", "docker", "port", "port_base", "rate_limits")
        self._variables = {f"STOA_{name.upper()}": str(getattr(settings, name)) for name in names}

    def say(self, *words: str) -> tuple[int, str]:
        """The exit code, and what was printed, on one line."""
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("STOA_")]:
                patch.delenv(name)
            patch.setattr(caring, "console", Console(width=400))
            done = CliRunner().invoke(cli.app, words, env=self._variables)
        return done.exit_code, re.sub(r"\s+", " ", done.output)

    def doctor(self, *words: str) -> tuple[int, Sequence[str]]:
        """The exit code, and each line that is not well."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(caring, "console", Console(width=400))
            done = CliRunner().invoke(cli.app, ["doctor", *words], env=self._variables)
        return done.exit_code, [line.strip() for line in done.output.splitlines() if "✔" not in line][1:]

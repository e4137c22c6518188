"""Docker as the stack uses it: whether an engine answers, and what is said to Compose about one project."""

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stoa.hearing import LOOPBACK
from stoa.preflight import NotNow
from stoa.settings import ROOT

COMPOSE = ROOT / "deploy" / "compose.yaml"
NAME, FILES = "COMPOSE_PROJECT_NAME", "COMPOSE_FILE"
"""As Compose itself calls a project's name and its descriptions."""
ALL = ("--profile", "*")
"""Also what runs only when it is asked for, such as dashboards."""
TOLD_BY_THE_FILE = ("STOA_", NAME, FILES)
RUNNING = "running"
ASKED_S = 10
UNITS = {"B": 2**-20, "KiB": 2**-10, "MiB": 1, "GiB": 2**10}
USED = re.compile(r"^(\w+) ([0-9.]+)(B|KiB|MiB|GiB) /", re.MULTILINE)
SHOWN = 15
"""Lines of what Docker has said that are shown of a failure."""


def answers() -> bool:
    """Whether containers can be started on this machine, by Compose."""
    if shutil.which("docker") is None:
        return False
    try:
        return all(_succeeds(*words) for words in (("info",), ("compose", "version")))
    except subprocess.TimeoutExpired:
        return False


def memory_mb(ids: Sequence[str]) -> dict[str, int]:
    """What each of these containers uses; nothing of those that have ended meanwhile."""
    if not ids:
        return {}
    command = ["docker", "stats", "--no-stream", "--format", "{{.ID}} {{.MemUsage}}", *ids]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return {found[1]: round(float(found[2]) * UNITS[found[3]]) for found in USED.finditer(told)}


def address_here() -> str:
    """Where one has to listen to hear containers: Docker's bridge; loopback where that is on another machine.

    So it is with Docker Desktop, which leads what is sent to its machine to loopback here.
    """
    command = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or LOOPBACK
    try:
        with socket.socket() as tried:
            tried.bind((told, 0))
    except OSError:
        return LOOPBACK
    return told


def _succeeds(*words: str) -> bool:
    done = subprocess.run(["docker", *words], capture_output=True, timeout=ASKED_S, check=False)
    return done.returncode == 0


class Compose:
    """One project, whose name, descriptions and variables this file tells."""

    def __init__(self, variables: Path) -> None:
        self._words = ["docker", "compose", "--env-file", str(variables)]
        # Compose would prefer what the shell has set; the settings have been read from there already.
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(TOLD_BY_THE_FILE)}

    def command(self, *words: str) -> list[str]:
        """The whole command."""
        return [*self._words, *words]

    def at_terminal(self, *words: str) -> int:
        """Let it speak to this terminal; its exit code."""
        return subprocess.run(self.command(*words), env=self.environment, check=False).returncode

    def do(self, sentence: str, *words: str) -> str:
        """What it has printed. Raises NotNow with the sentence, and what it said last, when it fails."""
        done = subprocess.run(self.command(*words), env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotNow(sentence, "\n".join((done.stdout + done.stderr).splitlines()[-SHOWN:]))
        return done.stdout

    def containers(self) -> list[dict[str, Any]]:
        """All of the project, those that have ended too, as `docker compose ps` tells of them."""
        told = self.do("Docker does not tell of its containers.", *ALL, "ps", "--all", "--format", "json")
        return [json.loads(line) for line in told.splitlines() if line.strip()]

"""Runs a service's own commands for operators in that service's environment."""

import subprocess
import sys
from typing import Literal

from stoa.preflight import NotNow
from stoa.settings import ROOT
from stoa.stack import Stack

Rebuildable = Literal["cart", "realtime"]
"""Services that can build what they know from others anew."""


def commands_of(service: str) -> list[str]:
    """How the commands of a service are called."""
    return [sys.executable, "-m", f"{service}.commands"]


def run_command(stack: Stack, service: str, *arguments: str, **variables: str) -> int:
    """Run one of a service's commands at this terminal, with these variables besides; its exit code.

    Raises NotNow without a database. Why a command fails it says itself.
    """
    if not stack.mysql.ready():
        raise NotNow("The database is not running; `stoa up` starts it.")
    environment = stack.service_environment(service) | variables
    command = [*commands_of(service), *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT / "services" / service, check=False).returncode


def change(stack: Stack, service: str, *arguments: str, **variables: str) -> None:
    """Run a command that changes something. Raises NotNow when it fails."""
    if run_command(stack, service, *arguments, **variables) != 0:
        raise NotNow("Nothing was changed.")

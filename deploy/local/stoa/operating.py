"""Runs a service's own commands for operators in that service's environment."""

import subprocess
import sys

from stoa.preflight import NotNow
from stoa.settings import ROOT
from stoa.stack import Stack

AUTH_COMMANDS = (sys.executable, "-m", "auth.commands")


def run_auth(stack: Stack, *arguments: str, password: str | None = None) -> None:
    """Run one of auth's commands at this terminal. Raises NotNow when it fails; it has said why itself."""
    if not stack.mysql.ready():
        raise NotNow("The database is not running; `stoa up` starts it.")
    environment = stack.service_environment("auth")
    if password is not None:
        environment["STOA_ADMIN_PASSWORD"] = password
    done = subprocess.run([*AUTH_COMMANDS, *arguments], env=environment, cwd=ROOT / "services" / "auth", check=False)
    if done.returncode != 0:
        raise NotNow("Nothing was changed.")

"""Pins: what the packages say they need becomes requirements with hashes: for a service, to run all, to develop all."""

import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import Requirement

from stoa.preflight import NotNow
from stoa.settings import ROOT

ALONE = ("services/*", "gateway/portal")
"""What is installed by itself, each into an image of its own."""
TOGETHER = (".", "libs/*", *ALONE, "deploy/local")
"""What a checkout installs into one environment."""
RUN, DEVELOPMENT = "requirements.txt", "requirements-dev.txt"
"""What running all of it needs, and what developing needs, which is that and more."""
MAILBOX = "deploy/local/mailbox-requirements"


def lock() -> list[str]:
    """Write every file of pins; name them."""
    packages = {project["project"]["name"]: project for project in map(_read, _found(TOGETHER))}
    groups = packages["stoa"]["dependency-groups"]
    run, dev = (set(resolve_dependency_groups(groups, name)) for name in ("run", "dev"))
    _compile(dev | _all_needs(packages, extras=True), ROOT / DEVELOPMENT)
    written = [DEVELOPMENT]
    parts = {ROOT / RUN: run | _all_needs(packages, extras=False)}
    for description in _found(ALONE):
        needs = _needs(packages, Requirement(_read(description)["project"]["name"]))
        parts[description.with_name("requirements.txt")] = needs
    for target, needs in parts.items():
        _compile(needs, target, "--constraints", str(ROOT / DEVELOPMENT))
        written.append(str(target.relative_to(ROOT)))
    _compile((ROOT / f"{MAILBOX}.in").read_text().splitlines(), ROOT / f"{MAILBOX}.txt")
    return [*written, f"{MAILBOX}.txt"]


def _found(folders: Iterable[str]) -> list[Path]:
    return sorted(path for folder in folders for path in ROOT.glob(f"{folder}/pyproject.toml"))


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def _all_needs(packages: dict[str, dict[str, Any]], *, extras: bool) -> set[str]:
    found: set[str] = set()
    for name, package in packages.items():
        optional = ",".join(package["project"].get("optional-dependencies", {})) if extras else ""
        found |= _needs(packages, Requirement(f"{name}[{optional}]"))
    return found


def _needs(packages: dict[str, dict[str, Any]], wanted: Requirement) -> set[str]:
    """What a package of ours needs from the index; our own are followed, never looked up there."""
    project = packages[wanted.name]["project"]
    optional = project.get("optional-dependencies", {})
    lines = [*project.get("dependencies", []), *(line for extra in wanted.extras for line in optional[extra])]
    found: set[str] = set()
    for line in lines:
        need = Requirement(line)
        found |= _needs(packages, need) if need.name in packages else {line}
    return found


def _compile(needs: Iterable[str], target: Path, *options: str) -> None:
    """Resolve for every Python we support, on the oldest; nothing about where packages came from is written down."""
    quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-find-links", "--no-emit-index-url"]
    python = ["--universal", "--python-version", "3.11", "--generate-hashes"]
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", *python, *quiet]
    done = subprocess.run(
        [*command, *options, "--output-file", str(target)],
        input="\n".join(sorted(needs)),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode != 0:
        raise NotNow(f"{target.relative_to(ROOT)} cannot be resolved.", done.stderr)

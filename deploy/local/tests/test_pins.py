"""The pins: what running needs is there without what only tests need, and all files of pins say the same."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from stoa.locking import ALONE, DEVELOPMENT, MAILBOX, RUN
from stoa.settings import ROOT

pytestmark = pytest.mark.unit

SERVICES = {path.name for path in ROOT.glob("services/*")}
OURS = {"common", "portal", "stoa", *SERVICES}
CODE = ("libs/common/common", "gateway/portal/portal", "deploy/local/stoa", *(f"services/{it}/{it}" for it in SERVICES))
PARTS = [ROOT / RUN, *(path for folder in ALONE for path in ROOT.glob(f"{folder}/requirements.txt"))]


def _pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)(?:\[.*?])?==(\S+)", path.read_text(), re.MULTILINE))


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_what_runs_imports_nothing_that_only_tests_need():
    files = [path for folder in CODE for path in (ROOT / folder).rglob("*.py") if "testing" not in path.parts]
    names = set[str]().union(*map(_imported, files)) - sys.stdlib_module_names - OURS
    brought_by = packages_distributions()
    pinned = set(_pins(ROOT / RUN))
    lacking = {name for name in names if not pinned & {each.lower().replace("_", "-") for each in brought_by[name]}}
    assert len(names) > 20
    assert not lacking


def test_all_pins_are_those_of_development():
    everything = _pins(ROOT / DEVELOPMENT)
    for part in PARTS:
        assert _pins(part).items() <= everything.items(), part


def test_no_pin_says_where_it_came_from():
    for path in (*PARTS, ROOT / DEVELOPMENT, ROOT / f"{MAILBOX}.txt"):
        assert "://" not in path.read_text(), path

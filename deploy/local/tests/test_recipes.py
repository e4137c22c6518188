"""The recipes of the images: clean, and nothing of a sister in them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stoa.settings import ROOT

pytestmark = pytest.mark.unit

FOLDER = ROOT / "deploy"
RECIPES = ("Dockerfile", "Dockerfile.tests")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_linter_has_nothing_to_say(recipe):
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, "--no-color", FOLDER / recipe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_image_holds_one_service_and_what_all_share(recipe):
    taken = re.findall(r"^COPY (?!--from)(.+) \S+$", (FOLDER / recipe).read_text(), re.MULTILINE)
    sources = {source for line in taken for source in line.split()}
    shared = {"libs/common", "libs/common/common", "requirements-dev.txt", "pyproject.toml"}
    assert sources
    assert all("${SERVICE}" in source or "${FOLDER}" in source for source in sources - shared)


def test_an_image_runs_as_nobody_in_particular():
    last = (FOLDER / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)

"""What the documents claim: each test that the page on security names is there, and `make test` runs every test."""

import re
import tomllib
from pathlib import Path

import pytest

from stoa.settings import ROOT

pytestmark = pytest.mark.unit

FOLDERS = {
    "common": "libs/common/tests",
    "gateway": "gateway/tests",
    "stack": "deploy/local/tests",
    "surface": "gateway/surface/tests",
}
"""Where the tests of these words are; of any other word in the service of that name."""
CITED = re.findall(r"`(\w+)/(test_\w+)::(test_\w+)`", (ROOT / "docs" / "security.md").read_text())


def test_the_page_cites_tests():
    assert len(set(CITED)) > 100


@pytest.mark.parametrize("place", sorted({(folder, file) for folder, file, _ in CITED}), ids="/".join)
def test_each_test_that_is_cited_is_there(place):
    folder, file = place
    source = (ROOT / FOLDERS.get(folder, f"services/{folder}/tests") / f"{file}.py").read_text()
    cited = {name for word, module, name in CITED if (word, module) == place and name != "test_x"}
    assert {name for name in cited if not re.search(rf"^def {name}\(", source, re.MULTILINE)} == set()


def test_every_folder_of_tests_is_dealt_out_as_a_part_of_its_own():
    """One that stands above others takes them to its own place, and of two long ones both would come last."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    parents = ("bench", "deploy/*", "gateway", "gateway/*", "libs/*", "services/*")
    folders = {found.relative_to(ROOT) for parent in parents for found in ROOT.glob(f"{parent}/tests")}
    assert sorted(Path(name.removesuffix("/tests"), "tests") for name in named) == sorted(folders)

"""What the documents claim: each test that the page on security names is there."""

import re

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

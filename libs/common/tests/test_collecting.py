"""The garbage collector looks seldom, and never at what a process was loaded with."""

import subprocess
import sys

import pytest

from common.collecting import NEW

pytestmark = pytest.mark.unit

STORY = """
import gc, common
from common.collecting import spare_what_stays
print(gc.get_threshold()[0])
spare_what_stays()
spared = gc.get_freeze_count()
later = [[] for _ in range(1000)]
spare_what_stays()
print(spared > 0, gc.get_freeze_count() <= spared)
"""


def test_whoever_imports_this_library_is_looked_at_seldom_and_what_stays_is_spared_once() -> None:
    said = subprocess.check_output([sys.executable, "-c", STORY], text=True)
    assert said.split() == [str(NEW), "True", "True"]

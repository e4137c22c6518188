"""The next releases of orders: each is made of today's code, and knows the columns that it should."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from wrecking.parcels import Misread, Parcels
from wrecking.releases import FORGETS_OLD, READS_NEW, TAKES_AWAY, WRITES_BOTH, Edit, Release

pytestmark = pytest.mark.unit

TELL = "from orders import models; print(*[each.name for each in models.Order.__table__.columns])"
OLD, NEW = "tracking", "parcel"


@pytest.mark.parametrize(
    ("release", "columns"),
    [(WRITES_BOTH, {OLD, NEW}), (READS_NEW, {OLD, NEW}), (FORGETS_OLD, {NEW}), (TAKES_AWAY, {NEW})],
    ids=lambda value: value.name if isinstance(value, Release) else "",
)
def test_a_release_is_todays_code_with_other_columns(tmp_path: Path, release: Release, columns: set[str]) -> None:
    place = release.write(tmp_path)
    known = subprocess.check_output([sys.executable, "-c", TELL], cwd=place, text=True).split()
    assert {OLD, NEW} & set(known) == columns
    scripts = ScriptDirectory.from_config(Config(toml_file=place / "pyproject.toml"))
    (head,) = scripts.get_heads()
    added = [script.revision for script in scripts.walk_revisions() if script.doc == "Made for a trial."]
    assert (len(added), added[0]) == (len(release.migrations), head)


def test_a_release_that_no_longer_fits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not hold once"):
        Release("none", [Edit("orders/models.py", "what nobody has written", "")], []).write(tmp_path)


def parcels(*answers: httpx.Response) -> Parcels:
    told = iter(answers)
    return Parcels(
        httpx.Client(base_url="http://shop", transport=httpx.MockTransport(lambda _: next(told))), {"1": "at sea"}
    )


def test_what_was_told_is_read() -> None:
    parcels(httpx.Response(200, json={"tracking": "at sea"})).read(["1"])


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, json={"tracking": ""}), httpx.Response(503, text="away")], ids=["other", "refused"]
)
def test_what_is_not_read_as_it_was_told_is_said_so(answer: httpx.Response) -> None:
    with pytest.raises(Misread, match="at sea|503 away"):
        parcels(answer).read(["1"])

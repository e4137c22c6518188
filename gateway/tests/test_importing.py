"""`stoa import` and the export: a file goes in, the catalogue comes out, and going in again changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stoa import cli

from .people import Person, ok
from .site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EXPORT = "/api/products/export/"
ROWS = """\
sku,name,price,stock,category
LEK-1,"Lekythos, white",12.50,3,Oil flasks
LEK-2,=Lekythos,20.00,0,Oil flasks
LEK-3,Lekythos,not money,1,
"""


@pytest.fixture
def take_in(site: Site, tmp_path: Path) -> Callable[[str, bytes], tuple[int, str]]:
    """The command at work on a file: its exit code, and what it has printed."""

    def run(name: str, content: bytes) -> tuple[int, str]:
        file = tmp_path / name
        file.write_bytes(content)
        settings = site.settings
        account = ["--admin-username", settings.admin_username, "--admin-password", settings.admin_password]
        done = CliRunner().invoke(cli.app, ["import", str(file), "--url", site.url, *account])
        return done.exit_code, " ".join(done.output.split())

    return run


def test_what_comes_out_goes_in_again_and_changes_nothing(
    admin: Person, take_in: Callable[[str, bytes], tuple[int, str]]
) -> None:
    code, told = take_in("lekythoi.csv", ROWS.encode())
    assert (code, "created │ 2" in told, "bad rows │ 1" in told) == (1, True, True)

    for ending in ("csv", "ndjson"):
        answer = admin.get(EXPORT, params={"format": ending})
        assert answer.status_code == 200
        header = answer.content.split(b"\n")[:1] if ending == "csv" else []
        ours = [line for line in answer.content.split(b"\n") if b"LEK-" in line]
        code, told = take_in(f"back.{ending}", b"\n".join([*header, *ours, b""]))
        assert (code, "unchanged │ 2" in told) == (0, True), told

    used = admin.delete("/api/products/categories/oil-flasks/")
    assert (used.status_code, used.json()["code"]) == (409, "category_in_use")
    listed = ok(admin.get("/api/products/categories/", params={"page_size": 100}))["results"]
    assert [one["name"] for one in listed if one["slug"] == "oil-flasks"] == ["Oil flasks"]

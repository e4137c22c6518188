"""Workbooks that are none, or too much: refused, and no danger whatever is in them."""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from catalog import sheets, workbooks
from catalog.marking import Refused
from common.errors import Invalid, Problem, TooLarge, Unavailable

from .binding import MAIN, PARTS, SHEET_PART, bomb, by_hand, by_program, lie

pytestmark = pytest.mark.unit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a workbook can lie."""
    return tmp_path / "workbook"


def refusal(work: Callable[[Path, Path], object], file: Path) -> str:
    """The code with which a workbook is refused."""
    with pytest.raises((Refused, Problem)) as refused:
        work(file, file.with_suffix(".lines"))
    return str(getattr(refused.value, "problem_code", None) or getattr(refused.value, "code", None))


# What is refused


@pytest.mark.parametrize(
    "content",
    [b"", b"sku,name\nA1,Lamp\n", b"PK\x03\x04 and no more", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096)],
)
def test_what_is_no_archive_is_no_workbook(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    assert refusal(sheets.convert, file) == "invalid_workbook"


DECLARING = '<!DOCTYPE workbook [<!ENTITY a "aaaa">]>' + PARTS["xl/workbook.xml"]


@pytest.mark.parametrize(
    "parts",
    [
        {"xl/workbook.xml": "<workbook"},
        {"xl/workbook.xml": f'<workbook xmlns="{MAIN}"><sheets/></workbook>'},
        {"xl/workbook.xml": DECLARING},
        {"xl/_rels/workbook.xml.rels": "<Relationships/>"},
        {"xl/_rels/workbook.xml.rels": PARTS["xl/_rels/workbook.xml.rels"].replace("worksheets/", "../../")},
        {SHEET_PART: "<worksheet><f>"},
        {SHEET_PART: "sku,name"},
        {SHEET_PART: f'<!DOCTYPE x><worksheet xmlns="{MAIN}"><sheetData><row><c t="e"/></row></sheetData></worksheet>'},
    ],
    ids=range(8),
)
def test_an_archive_with_something_else_in_it_is_no_workbook(file: Path, parts: dict[str, str]) -> None:
    by_hand(file, "", **parts)

    assert refusal(sheets.convert, file) == "invalid_workbook"


def test_an_archive_without_a_workbook_or_with_a_part_twice_is_no_workbook(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "sku")
    assert refusal(sheets.convert, file) == "invalid_workbook"

    by_hand(file, "")
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(SHEET_PART, "<worksheet/>")
    assert refusal(sheets.convert, file) == "invalid_workbook"


def test_too_many_parts_are_too_much(file: Path) -> None:
    by_hand(file, "", **{f"xl/media/{number}": "" for number in range(1000)})

    assert refusal(sheets.convert, file) == "too_large_unpacked"


@pytest.fixture(scope="module")
def large_bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file that unpacks to more than may be."""
    return bomb(tmp_path_factory.mktemp("bomb") / "bomb", 310)


def test_a_bomb_is_refused_by_what_it_says_of_itself_before_it_is_read(
    large_bomb: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "CalamineWorkbook", None)
    assert large_bomb.stat().st_size < 2_000_000
    assert refusal(sheets.convert, bomb(file, 20)) == "too_large_unpacked"

    monkeypatch.setattr(sheets, "MOST_RATIO", 10_000)
    assert refusal(sheets.convert, large_bomb) == "too_large_unpacked"


def test_more_is_not_written_than_an_archive_may_hold(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_BYTES", 20_000)
    by_program(file, ["sku"], *(["x" * 1000] for _ in range(30)))

    assert refusal(sheets.convert, file) == "too_large_unpacked"


# The process that reads


def test_a_workbook_is_read_by_a_process_of_its_own(file: Path) -> None:
    target = file.with_suffix(".lines")

    workbooks.convert(by_program(file, ["sku", "stock"], ["A1", 3]), target)

    assert target.read_bytes() == b'["sku","stock"]\n["A1","3"]\n'


def test_a_bomb_that_lies_about_itself_does_no_harm(large_bomb: Path, file: Path) -> None:
    shutil.copy(large_bomb, file)
    lie(file, SHEET_PART, 5_000)
    assert refusal(workbooks.convert, file) in ("too_large_unpacked", "invalid_workbook")

    bomb(file, 30, "xl/sharedStrings.xml")
    lie(file, "xl/sharedStrings.xml", 5_000)
    assert refusal(workbooks.convert, file) in ("too_large_unpacked", "invalid_workbook")


def test_a_sheet_as_wide_and_high_as_can_be_is_too_much_memory(file: Path) -> None:
    by_hand(file, '<row r="1048576"><c r="XFD1048576" t="str"><v>far</v></c></row>')

    with pytest.raises(TooLarge) as refused:
        workbooks.convert(file, file.with_suffix(".lines"))

    assert refused.value.problem_code == "too_large_unpacked"


def test_the_process_sees_no_secret(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOA_DATABASE_URL", "secret")
    code = "import os, sys; sys.stdout.write(str(any(name.startswith('STOA_') for name in os.environ)))"

    assert workbooks._run([workbooks.sys.executable, "-c", code])[:2] == (0, b"False")


@pytest.mark.parametrize(
    ("code", "within_s", "error", "expected"),
    [
        ("import os; os.abort()", workbooks.WALL_S, TooLarge, "too_large_unpacked"),
        ("import time; time.sleep(60)", 0.3, TooLarge, "too_large_unpacked"),
        ("raise SystemExit(7)", workbooks.WALL_S, Invalid, "invalid_workbook"),
    ],
)
def test_however_the_process_ends_the_file_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, code: str, within_s: float, error: type[Problem], expected: str
) -> None:
    monkeypatch.setattr(workbooks, "WALL_S", within_s)
    real = workbooks._run
    monkeypatch.setattr(workbooks, "_run", lambda command: real([command[0], "-c", code]))

    with pytest.raises(error) as refused:
        workbooks.convert(file, file)

    assert refused.value.problem_code == expected


@pytest.fixture
def busy() -> Iterator[None]:
    """As many workbooks are being read as may be."""
    taken = [workbooks.AT_ONCE.acquire(timeout=1) for _ in range(2)]
    yield
    for _ in taken:
        workbooks.AT_ONCE.release()


@pytest.mark.usefixtures("busy")
def test_only_so_many_workbooks_are_read_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "PATIENCE_S", 0)

    with pytest.raises(Unavailable) as refused:
        workbooks.convert(file, file)

    assert "Retry-After" in refused.value.headers


def test_limits_hold_for_the_process_and_for_it_alone(file: Path) -> None:
    code = (
        "import resource, sys; from catalog import sheets; sheets._limit();"
        "sys.stdout.write(str([resource.getrlimit(n)[0] for n in (resource.RLIMIT_AS, resource.RLIMIT_CPU)]))"
    )

    assert orjson.loads(workbooks._run([workbooks.sys.executable, "-c", code])[1]) == [sheets.MEMORY, sheets.CPU_S]

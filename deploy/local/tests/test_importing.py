"""`stoa import`: a file of any size goes in over the gateway, once, and what became of it is told."""

import csv
import io

import pytest
from typer.testing import CliRunner

from common.testing.clocks import other_time
from stoa import cli
from stoa.importing import admin, jobs, parts, story
from stoa.importing.parts import Kind, cut, kind_of

from .counter import UPLOAD, counter

pytestmark = pytest.mark.unit

DONE = {"status": "finished", "total": 2, "processed": 2, "created": 1, "unchanged": 1, "failed": 0}
RUNNING = {"status": "running", "total": 2, "processed": 1, "rows_per_second": 1.0}


@pytest.fixture
def shop(monkeypatch):
    monkeypatch.setattr(admin, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(jobs, "POLL_S", 0.0)
    with counter() as shop:
        yield shop


@pytest.fixture
def put(tmp_path):
    def write(text, name="lamps.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def run(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("STOA_RUN", str(tmp_path / "run"))
    monkeypatch.delenv("STOA_ADMIN_PASSWORD", raising=False)

    def invoke(path, *options):
        done = CliRunner().invoke(cli.app, ["import", str(path), "--url", shop.url, *options])
        return done.exit_code, " ".join(done.output.split())

    return invoke


def bodies(found):
    return [b"".join(part.pieces()) for part in found]


# Parts


def test_a_small_file_is_sent_as_it_is(put):
    text = "\ufeff\nsku,name\n1,a\n\n2,b"
    (whole,) = cut(put(text), Kind.CSV)
    assert (b"".join(whole.pieces()), whole.rows, whole.size) == (text.encode(), 2, len(text.encode()))


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("sku,name\n", ["1,a\n", '2,"b\nb"\n', '3,"c, ""c""\r\n\r\n"\r\n', '4,5" d\n', "5,e"]),
        ("\ufeffsku;name\r\n", ["1;a\r\n", '2;"b\r\nb"\r\n', '3,"x;"y\nz"\r\n', "4;d\r\n", "5;e\r\n"]),
        ("\nsep=\t\nname\tSKU\n", ["ä\t1\n", '"b\n"\t2\n', "c\t3\n", "d\t4\n", "e\t5\n"]),
    ],
)
def test_a_large_file_is_cut_between_its_rows_with_the_header_on_each_part(put, monkeypatch, head, rows):
    monkeypatch.setattr(parts, "MOST_ROWS", 2)
    found = cut(put(head + "".join(rows)), Kind.CSV)
    assert bodies(found) == [(head + "".join(rows[at : at + 2])).encode() for at in (0, 2, 4)]
    assert [part.rows for part in found] == [2, 2, 1]


def test_no_part_is_larger_than_an_upload_may_be(put, monkeypatch):
    monkeypatch.setattr(parts, "MOST_BYTES", 30)
    found = cut(put("sku,name\n" + "".join(f"{n},{'x' * n}\n" for n in range(10))), Kind.CSV)
    assert [part.size <= 30 for part in found] == [True] * len(found)
    assert sum(part.rows for part in found) == 10
    assert [part.size for part in found] == [len(body) for body in bodies(found)]


def test_empty_lines_are_no_rows(put, monkeypatch):
    monkeypatch.setattr(parts, "MOST_ROWS", 2)
    found = cut(put('{"sku":"1"}\n\n\n{"sku":"2"}\n\n{"sku":"3"}', "lamps.jsonl"), Kind.NDJSON)
    assert bodies(found) == [b'{"sku":"1"}\n\n\n{"sku":"2"}\n\n', b'{"sku":"3"}']


def test_rows_that_cannot_be_read_are_left_to_the_shop(put, monkeypatch):
    monkeypatch.setattr(parts, "MOST_ROWS", 2)
    text = f"sku,name\n1,{'x' * 200_000}\n2,a\rb\n3,c\n"
    found = cut(put(text), Kind.CSV)
    assert b"".join(body.removeprefix(b"sku,name\n") for body in bodies(found)) == text.encode()[9:]
    assert len(found) == 2


@pytest.mark.parametrize("kind", [Kind.JSON, Kind.XLSX])
def test_other_files_are_not_cut(put, monkeypatch, kind):
    monkeypatch.setattr(parts, "MOST_BYTES", 3)
    assert bodies(cut(put("0123456789"), kind)) == [b"0123456789"]


def test_the_ending_tells_the_kind(put):
    assert [kind_of(put("", f"a{ending}")) for ending in (".CSV", ".tsv", ".ndjson", ".jsonl", ".json", ".xlsx")] == [
        Kind.CSV,
        Kind.CSV,
        Kind.NDJSON,
        Kind.NDJSON,
        Kind.JSON,
        Kind.XLSX,
    ]


# The good way


def test_a_file_is_sent_followed_and_reported(shop, run, put):
    shop.jobs = [[RUNNING, DONE | {"unknown_columns": ["colour"], "duplicates": 3, "ignored": 4}]]
    code, output = run(put("sku,name\n1,a\n2,b\n"), "--mode", "update", "--dry-run")
    assert code == 0
    (taken,) = shop.taken.values()
    assert (taken.body, taken.headers["content-type"]) == (b"sku,name\n1,a\n2,b\n", "text/csv")
    assert taken.query == {"mode": "update", "on_error": "skip", "dry_run": "true"}
    for words in ("nothing was written", "unchanged │ 1", "counts) │ 3", "ignored │ 4", "ignored: colour"):
        assert words in output
    assert shop.asked == ["POST /api/auth/login/", f"POST {UPLOAD}", f"GET {UPLOAD}0/", f"GET {UPLOAD}0/"]


def test_the_parts_of_a_large_file_are_added_up(shop, run, put, monkeypatch):
    monkeypatch.setattr(parts, "MOST_ROWS", 2)
    shop.jobs = [[DONE | {"unknown_columns": ["x"]}], [DONE | {"unknown_columns": ["x", "y"]}]]
    code, output = run(put("sku,name\n1,a\n2,b\n3,c\n"))
    assert (code, "rows │ 4" in output, "ignored: x, y" in output) == (0, True, True)
    assert [taken.body for taken in shop.taken.values()] == [b"sku,name\n1,a\n2,b\n", b"sku,name\n3,c\n"]


def test_bad_rows_of_all_parts_come_into_one_file(shop, run, put, monkeypatch):
    monkeypatch.setattr(parts, "MOST_ROWS", 1)
    bad = DONE | {"failed": 1}
    shop.jobs = [[bad], [DONE], [bad]]
    shop.errors = [b"sku,name,error\n1,a,no\n", b"", b"sku,name,error\n3,c,no\n"]
    path = put("sku,name\n1,a\n2,b\n3,c\n")
    code, output = run(path)
    assert (code, "bad rows │ 2" in output, "lamps.csv.errors.csv" in output) == (1, True, True)
    written = (path.parent / "lamps.csv.errors.csv").read_text()
    assert list(csv.reader(io.StringIO(written))) == [["sku", "name", "error"], ["1", "a", "no"], ["3", "c", "no"]]


def test_a_shop_that_gives_no_file_of_bad_rows_is_linked(shop, run, put):
    shop.jobs, shop.errors, shop.errors_type = [[DONE | {"failed": 1}]], [b"{}"], "application/json"
    path = put("sku\n1\n")
    code, output = run(path)
    assert (code, f"{shop.url}{UPLOAD}0/errors/" in output) == (1, True)
    assert not (path.parent / "lamps.csv.errors.csv").exists()


# What goes wrong on the way


@pytest.mark.parametrize(
    ("status", "body"), [(429, {}), (503, {}), (502, {}), (409, {"code": "idempotency_in_progress"})]
)
def test_a_passing_refusal_is_waited_out_as_it_asks(shop, run, put, monkeypatch, status, body):
    slept = []
    other_time(monkeypatch, admin, sleep=slept.append)
    shop.moods.append((status, body, {"Retry-After": "7"}))
    shop.jobs = [[DONE]]
    assert run(put("sku\n1\n"))[0] == 0
    assert 7.0 in slept


def test_a_lost_answer_does_no_harm(shop, run, put):
    shop.losing, shop.jobs = 2, [[DONE]]
    assert run(put("sku\n1\n2\n"))[0] == 0
    assert len(shop.taken) == 1
    assert shop.asked.count(f"POST {UPLOAD}") == 3


def test_a_token_is_renewed_before_it_ends_and_when_it_is_refused(shop, run, put):
    shop.life_s, shop.jobs = 1, [[RUNNING, DONE]]
    assert run(put("sku\n1\n"))[0] == 0
    assert shop.asked.count("POST /api/auth/login/") == 3
    shop.life_s, shop.jobs = 600, [[], [DONE]]
    shop.moods.append((401, {"code": "invalid_token"}, {}))
    assert run(put("sku\n1\n"))[0] == 0
    assert shop.asked.count("POST /api/auth/login/") == 5


@pytest.mark.parametrize("word", ["failed", "cancelled"])
def test_what_comes_after_a_part_that_does_not_finish_is_not_sent(shop, run, put, monkeypatch, word):
    monkeypatch.setattr(parts, "MOST_ROWS", 1)
    shop.jobs = [[DONE], [RUNNING | {"status": word, "reason": "given up"}]]
    code, output = run(put("sku\n1\n2\n3\n4\n"))
    assert code == 2
    assert f"ended as {word}: given up" in output
    assert "of 4 parts the last 2 were not sent" in output
    assert len(shop.taken) == 2


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((400, {"detail": "there are no rows in this file"}, {}), "(400): there are no rows in this file."),
        ((403, {"detail": "this is for administrators"}, {}), "(403): this is for administrators."),
        ((413, {}, {}), "(413)"),
    ],
)
def test_a_refusal_is_told_in_one_sentence(shop, run, put, answer, sentence):
    shop.moods.append(answer)
    code, output = run(put("sku\n"))
    assert code == 2
    assert sentence in output


def test_a_wrong_password_is_told(run, put):
    code, output = run(put("sku\n1\n"), "--admin-password", "wrong")
    assert (code, "does not know admin" in output) == (2, True)


def test_the_password_may_come_from_the_environment(shop, run, put, monkeypatch):
    shop.password, shop.jobs = "another", [[DONE]]
    monkeypatch.setenv("STOA_ADMIN_PASSWORD", "another")
    assert run(put("sku\n1\n"))[0] == 0


def test_a_shop_that_is_never_there_is_given_up(shop, run, put, monkeypatch):
    monkeypatch.setattr(admin, "ATTEMPTS", 3)
    shop.moods.extend([(503, {}, {})] * 3)
    code, output = run(put("sku\n1\n"))
    assert (code, "no good answer after 3 attempts: 503" in output) == (2, True)


def test_a_job_that_does_not_move_is_left_alone(shop, run, put, monkeypatch):
    monkeypatch.setattr(jobs, "STALLED_S", -1.0)
    shop.jobs = [[RUNNING]]
    code, output = run(put("sku\n1\n"))
    assert (code, "has not moved" in output, f"{shop.url}{UPLOAD}0/" in output) == (2, True, True)


def test_a_file_in_parts_cannot_be_taken_all_or_nothing(shop, run, put, monkeypatch):
    monkeypatch.setattr(parts, "MOST_ROWS", 1)
    code, output = run(put("sku\n1\n2\n"), "--on-error", "abort")
    assert (code, "2 parts" in output, shop.asked) == (2, True, [])


def test_a_file_that_is_too_large_and_cannot_be_cut_is_not_sent(shop, run, put, monkeypatch):
    monkeypatch.setattr(story, "MOST_BYTES", 3)
    code, output = run(put("{   }", "lamps.json"))
    assert (code, "lamps.json is larger than" in output, shop.asked) == (2, True, [])


@pytest.mark.parametrize("name", ["lamps.pdf", "lamps"])
def test_a_file_of_no_known_kind_is_refused(run, put, name):
    code, output = run(put("", name))
    assert (code, ".xlsx" in output) == (2, True)


def test_a_file_that_is_not_there_is_told(run, tmp_path):
    code, output = run(tmp_path / "none.csv")
    assert (code, "No such file" in output) == (2, True)


def test_an_interrupted_import_says_where_the_job_is(shop, run, put, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(parts, "MOST_ROWS", 1)
    other_time(monkeypatch, jobs, sleep=interrupt)
    shop.jobs = [[RUNNING]]
    code, output = run(put("sku\n1\n2\n"))
    assert code == 130
    assert (
        f"The job goes on by itself; look at it with: curl -H 'Authorization: Bearer …' {shop.url}{UPLOAD}0/" in output
    )
    assert "of 2 parts the last 1 were not sent" in output

"""`stoa doctor`: what each service finds stands in one table, and the exit code tells the worst of it."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from common.testing.sisters import FakeSister, fake_sister
from stoa import caring, cli
from stoa.servers import SCHEMAS

pytestmark = pytest.mark.unit

WELL = '{{"compared":"outbox","between":"{0}","found":"0 events wait","state":"well"}}'
WRONG = '{{"compared":"counts","between":"{0}","found":"[b]7[/b] differ","state":"wrong"}}'

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def gateway() -> Iterator[FakeSister]:
    with fake_sister() as played:
        played.answer("GET", "/api/health/", lambda *_: (200, {"services": dict.fromkeys(SCHEMAS, "up")}))
        yield played


@pytest.fixture
def run(gateway: FakeSister, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the doctor on services whose checks are these scripts; the others are well."""
    monkeypatch.setenv("STOA_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(caring, "console", Console(width=200))

    def invoke(**scripts: str) -> tuple[int, str]:
        for service in SCHEMAS:
            path = tmp_path / service
            path.write_text(f"#!/bin/sh\n{scripts.get(service, say(WELL, service))}\n")
            path.chmod(stat.S_IRWXU)
        through = ["--through", f"{tmp_path}/{{service}}"]
        done = CliRunner().invoke(cli.app, ["doctor", *through, "--url", gateway.url, "--patience", "3"])
        return done.exit_code, " ".join(done.output.split())

    return invoke


def say(line: str, service: str, code: int = 0) -> str:
    return f"echo '{{\"level\":\"info\"}}'; echo '{line.format(service)}'; exit {code}"


def test_when_all_is_well_so_is_the_exit_code(run: Run) -> None:
    code, said = run()
    assert (code, said.count("✔"), said.count("0 events wait")) == (0, 7, 6)


def test_what_is_wrong_stands_beside_what_is_well(run: Run) -> None:
    code, said = run(cart=say(WRONG, "cart – catalog", 1))
    assert (code, said.count("✔"), "✘ counts cart – catalog [b]7[/b] differ" in said) == (1, 6, True)


def test_a_service_that_cannot_check_itself_is_no_reason_to_be_calm(run: Run) -> None:
    code, said = run(cart="echo 'no such place' >&2; exit 127")
    assert (code, "? all of it cart no such place" in said) == (2, True)
    assert run(cart="exit 0")[0] == 2
    assert run(cart="exit 0", orders=say(WRONG, "orders", 1))[0] == 1


def test_a_service_that_is_down_is_named(run: Run, gateway: FakeSister) -> None:
    states = dict.fromkeys(SCHEMAS, "up") | {"notifier": "down"}
    gateway.answer("GET", "/api/health/", lambda *_: (503, {"services": states}))
    code, said = run()
    assert (code, "down: notifier" in said) == (1, True)
    gateway.answer("GET", "/api/health/", lambda *_: (404, {}))
    assert run()[0] == 2


def test_each_service_is_told_how_patient_to_be(run: Run, tmp_path: Path) -> None:
    run(auth=f'echo "$@" > {tmp_path}/told; {say(WELL, "auth")}')
    assert (tmp_path / "told").read_text().split() == ["python", "-m", "auth.commands", "check", "--patience", "3.0"]


@pytest.mark.parametrize("words", ["docker exec", "docker exec 'x"])
def test_a_way_that_leads_nowhere_is_refused(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOA_RUN", str(tmp_path))
    done = CliRunner().invoke(cli.app, ["doctor", "--through", words])
    assert (done.exit_code, "--through" in done.output) == (2, True)


def test_without_a_database_the_doctor_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOA_RUN", str(tmp_path))
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert (done.exit_code, "The database is not running" in done.output) == (2, True)

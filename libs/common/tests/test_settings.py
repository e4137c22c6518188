"""The settings' tests: what is read, and what a production process refuses to start with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from common.settings import Settings

pytestmark = pytest.mark.unit
NEEDED = {"database_url": "mysql+pymysql://a@b/c", "broker_url": "amqp://a@b/", "redis_url": "redis://a/0"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of a service whose tests have run before in this process."""
    for name in [name for name in os.environ if name.startswith("STOA_")]:
        monkeypatch.delenv(name)


def test_variables_carry_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"STOA_{name.upper()}", value)
    monkeypatch.setenv("STOA_CURRENCY", "GBP")
    monkeypatch.setenv("CURRENCY", "USD")
    monkeypatch.setenv("STOA_UNKNOWN", "x")
    settings = Settings()  # type: ignore[call-arg]
    assert (settings.currency, settings.env, settings.redis_url) == ("GBP", "development", "redis://a/0")


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_needed_must_be_there(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{key: value for key, value in NEEDED.items() if key != name})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["mysql://a:change-me@b/c", "mysql://a:CHANGEME@b/c", "x-placeholder-x"])
def test_a_placeholder_is_refused_in_production_only(value: str) -> None:
    Settings(**NEEDED | {"database_url": value})  # type: ignore[arg-type]
    keys = {"service_key": "k", "sister_keys": "toys=k"}
    with pytest.raises(ValidationError, match="STOA_DATABASE_URL"):
        Settings(env="production", **NEEDED | keys | {"database_url": value})  # type: ignore[arg-type]


@pytest.mark.parametrize("keys", [{}, {"service_key": "k"}, {"sister_keys": "toys=k"}])
def test_production_needs_the_keys_by_which_sisters_know_each_other(keys: dict[str, str]) -> None:
    Settings(**NEEDED | keys)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="STOA_SERVICE_KEY and STOA_SISTER_KEYS"):
        Settings(env="production", **NEEDED | keys)  # type: ignore[arg-type]


def test_a_fault_point_is_dead_unless_a_test_has_armed_it() -> None:
    story = "from common.faults import fault; fault('here'); print('alive')"

    def run(**environment: str) -> tuple[int, bytes]:
        done = subprocess.run([sys.executable, "-c", story], env=environment, capture_output=True, check=False)
        return done.returncode, done.stdout

    assert run() == (0, b"alive\n")
    assert run(STOA_FAULT="here", STOA_ENV="production") == (0, b"alive\n")
    assert run(STOA_FAULT="here") == (0, b"alive\n")
    assert run(STOA_FAULT="there", STOA_ENV="test") == (0, b"alive\n")
    assert run(STOA_FAULT="here", STOA_ENV="test") == (137, b"")


def test_a_log_line_is_json_with_what_is_bound(tmp_path: Path) -> None:
    story = """
import logging, structlog
from common import logs
logs.configure("toys")
structlog.contextvars.bind_contextvars(request_id="r1")
structlog.get_logger("toys.room").info("order_placed", total="12.50")
logging.getLogger("uvicorn.error").warning("plain %s", "words")
logging.getLogger("httpx").info("GET http://x")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("toys.room").exception("broken")
"""
    done = subprocess.run([sys.executable, "-c", story], capture_output=True, check=True, cwd=tmp_path)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["order_placed", "plain words", "broken"]
    assert {(line["service"], line["request_id"]) for line in lines} == {("toys", "r1")}
    assert (lines[0]["total"], lines[0]["level"], lines[0]["logger"]) == ("12.50", "info", "toys.room")
    assert "ZeroDivisionError" in lines[2]["exception"]

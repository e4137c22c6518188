"""The operator's commands that reach into a service."""

import re

import pytest
from typer.testing import CliRunner

from common.service_tokens import public_half
from stoa import cli
from stoa.servers import SCHEMAS

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("STOA_RUN", str(tmp_path))


def test_service_keys_are_printed_as_lines_for_env_and_belong_together():
    done = CliRunner().invoke(cli.app, ["service-keys"])
    assert done.exit_code == 0
    written = dict(re.findall(r'^([A-Z_]+)="?(.*?)"?$', done.output, re.MULTILINE))
    keys = {name: written[f"STOA_{name.upper()}_SERVICE_KEY"] for name in SCHEMAS}
    assert written["STOA_SISTER_KEYS"] == " ".join(f"{name}={public_half(key)}" for name, key in keys.items())
    assert CliRunner().invoke(cli.app, ["service-keys"]).output != done.output


@pytest.mark.parametrize(
    "command",
    ["create-admin --username a --email a@example.com --password x", "rotate-keys", "reconcile", "rebuild realtime"],
)
def test_without_a_database_an_operator_is_told_so(command):
    done = CliRunner().invoke(cli.app, command.split())
    assert done.exit_code == 1
    assert "The database is not running" in done.output


def test_only_what_is_made_of_others_data_can_be_rebuilt():
    done = CliRunner().invoke(cli.app, ["rebuild", "orders"])
    assert done.exit_code == 2
    assert "realtime" in done.output

"""The operators' commands."""

import os
import subprocess
import sys

import httpx
import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from auth.commands import app
from auth.grants import end_all_sessions
from auth.models import UserSession
from auth.settings import AuthSettings
from auth.signing import Signing
from common.checking import Finding
from common.database import Sessions
from common.testing.broker import Broker

from .conftest import PASSWORD, form


@pytest.fixture
def environment(settings: AuthSettings) -> dict[str, str]:
    return {
        "STOA_ENV": "test",
        "STOA_DATABASE_URL": settings.database_url,
        "STOA_BROKER_URL": settings.broker_url,
        "STOA_REDIS_URL": settings.redis_url,
        "STOA_SECRET_KEY": settings.secret_key,
        "STOA_ARGON2_TIME_COST": "1",
        "STOA_ARGON2_MEMORY_KIB": "64",
        "STOA_ADMIN_PASSWORD": PASSWORD,
    }


def create_admin(sent: dict[str, str]) -> list[str]:
    return ["create-admin", "--username", sent["username"], "--email", sent["email"]]


def test_the_first_administrator_comes_from_a_command(
    client: httpx.Client, broker: Broker, environment: dict[str, str]
) -> None:
    sent, tap = form(), broker.tap("user.registered")
    command = [sys.executable, "-m", "auth.commands", *create_admin(sent)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "is now an administrator" in done.stdout
    given = client.post("/api/auth/login/", json={"username": sent["username"], "password": PASSWORD}).json()
    assert given["user"]["role"] == "admin"
    while (said := broker.take(tap, 1)[0])["subject"] != given["user"]["id"]:
        continue
    assert (said["data"]["role"], said["data"]["is_active"]) == ("admin", True)


def test_a_repeat_is_harmless_and_keeps_the_password(client: httpx.Client, environment: dict[str, str]) -> None:
    sent, runner = form(), CliRunner()
    assert runner.invoke(app, create_admin(sent), env=environment).exit_code == 0
    again = runner.invoke(app, create_admin(sent), env=environment | {"STOA_ADMIN_PASSWORD": "lemons in the agora"})
    assert again.exit_code == 0
    assert "already" in again.output
    for password, status in ((PASSWORD, 200), ("lemons in the agora", 401)):
        answer = client.post("/api/auth/login/", json={"username": sent["username"], "password": password})
        assert answer.status_code == status


def test_an_ordinary_account_does_not_become_an_administrators(
    client: httpx.Client, environment: dict[str, str]
) -> None:
    sent = form()
    client.post("/api/auth/register/", json=sent)
    done = CliRunner().invoke(app, create_admin(sent), env=environment)
    assert done.exit_code == 1
    given = client.post("/api/auth/login/", json={"username": sent["username"], "password": PASSWORD}).json()
    assert given["user"]["role"] == "user"


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"STOA_ADMIN_PASSWORD": "short"}, "password"), ({"STOA_ADMIN_PASSWORD": "administrator"}, "common")],
)
def test_a_weak_password_is_refused_without_showing_it(
    environment: dict[str, str], changed: dict[str, str], word: str
) -> None:
    done = CliRunner().invoke(app, create_admin(form()), env=environment | changed)
    assert done.exit_code == 1
    assert word in done.output
    assert changed["STOA_ADMIN_PASSWORD"] not in done.output


def test_the_password_is_asked_for_when_the_environment_has_none(environment: dict[str, str]) -> None:
    del environment["STOA_ADMIN_PASSWORD"]
    done = CliRunner().invoke(app, create_admin(form()), env=environment, input=f"{PASSWORD}\n")
    assert done.exit_code == 0
    assert PASSWORD not in done.output


def test_a_new_signing_key_comes_from_a_command(
    client: httpx.Client, sessions: Sessions, environment: dict[str, str]
) -> None:
    known = client.get("/api/auth/jwks.json").json()["keys"]
    done = CliRunner().invoke(app, ["rotate-keys"], env=environment)
    assert done.exit_code == 0
    assert "UTC" in done.output
    published = Signing(sessions, environment["STOA_SECRET_KEY"], 600).jwks()["keys"]
    assert [key for key in published if key not in known] == published[:1]
    assert published[1:] == known


def test_a_restore_leaves_nobody_signed_in(client: httpx.Client, sessions: Sessions) -> None:
    sent = form()
    client.post("/api/auth/register/", json=sent)
    client.post("/api/auth/login/", json={"username": sent["username"], "password": PASSWORD}).raise_for_status()
    going_on = select(func.count()).select_from(UserSession).where(UserSession.revoked_at.is_(None))
    with sessions() as session:
        count = session.scalar(going_on) or 0
        assert count == end_all_sessions(session) > 0
        assert session.scalar(going_on) == 0
        session.rollback()


def test_the_check_tells_all_its_findings(environment: dict[str, str]) -> None:
    done = CliRunner().invoke(app, ["check"], env=environment)
    found = [Finding.model_validate_json(line) for line in done.output.splitlines() if "compared" in line]
    assert [(each.compared, each.state) for each in found] == [
        ("schema at its newest revision", "well"),
        ("outbox", "well"),
    ]
    assert done.exit_code == 0

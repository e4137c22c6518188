"""The Docker description: the same stack as the native one."""

import re

import pytest
import yaml

from stoa.credentials import read_credentials
from stoa.servers import SCHEMAS
from stoa.settings import ROOT, Settings
from stoa.stack import SERVICES, Stack

pytestmark = pytest.mark.unit


IN_FILES = {"STOA_TLS_HOST", "STOA_TLS_CERT", "STOA_TLS_KEY", "STOA_READ_TIMEOUT_S"}
IN_FILES |= {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_BSP_SCHEDULE_DELAY"}
"""What the gateway is told beside the figures of its routes."""
OBSERVERS = {"prometheus", "grafana", "jaeger"}


@pytest.fixture(scope="module")
def described():
    return yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]


@pytest.fixture(scope="module")
def services(described):
    """Without those that watch, which run when they are asked for."""
    return {name: one for name, one in described.items() if "profiles" not in one}


def test_those_that_watch_run_when_asked_for_and_nothing_waits_for_them(described, services):
    assert described.keys() - services.keys() == OBSERVERS
    for name in OBSERVERS:
        assert described[name]["profiles"] == ["observability"]
        assert all(port.startswith("127.0.0.1:") for port in described[name]["ports"])
    assert OBSERVERS.isdisjoint(name for one in described.values() for name in one.get("depends_on", {}))


def test_it_has_the_same_processes_as_the_native_stack(services):
    ours = {one.name for one in SERVICES} | {f"{one.name}-migration" for one in SERVICES}
    ours |= {f"{one.name}-worker" for one in SERVICES if one.worker}
    assert services.keys() == ours | {"mysql", "rabbitmq", "redis", "mailbox", "gateway", "portal"}


def test_workers_have_the_same_options_as_natively(services):
    for one in SERVICES:
        if one.worker:
            assert " ".join(one.worker) in " ".join(services[f"{one.name}-worker"]["command"])


def test_only_the_gateway_is_published_and_the_mailbox_on_this_machine_alone(services):
    published = {name: one["ports"] for name, one in services.items() if "ports" in one}
    assert published.keys() == {"gateway", "mailbox"}
    assert all(port.startswith("127.0.0.1:") for port in published["mailbox"])


def test_the_gateway_is_told_the_same_figures_as_natively(services, tmp_path, monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STOA_{name.upper()}", raising=False)
    told = services["gateway"]["environment"]
    settings = Settings(run=tmp_path, _env_file=None)
    native = Stack(settings, read_credentials(settings), {}).gateway.variables
    figures = {name: value for name, value in native.items() if not name.endswith("_SERVERS")}
    servers = {f"STOA_{name.upper()}_SERVERS" for name in SCHEMAS}
    assert told.keys() == figures.keys() | servers | IN_FILES
    assert {name: told[name] for name in figures} == {name: f"${{{name}:-{value}}}" for name, value in figures.items()}


CHANGED = {
    "currency": "USD",
    "log_level": "ERROR",
    "rate_limits": "off",
    "limit_sockets": 3,
    "max_body_bytes": 1001,
    "max_auth_body_bytes": 1002,
    "max_upload_bytes": 1003,
    "cors_origins": "https://a.example",
    "mail_from": "Other <other@example.org>",
}
OF_THE_PLACE = re.compile(r"_(URL|DIR|KEYS?)$")
"""Addresses, folders and secrets, which differ."""


def filled_in(text, given):
    """A value of the description, as Compose makes it of these variables."""
    return re.sub(r"\$\{(\w+)(?::-(.*?)|:\?.*?)\}", lambda found: given.get(found[1], found[2] or ""), str(text))


@pytest.mark.parametrize("changed", [{}, CHANGED], ids=["as it comes", "all changed"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_service_is_told_the_same_as_natively(services, name, changed, tmp_path, monkeypatch):
    for field in Settings.model_fields:
        monkeypatch.delenv(f"STOA_{field.upper()}", raising=False)
    settings = Settings(run=tmp_path, _env_file=None, **changed)
    given = {f"STOA_{field.upper()}": str(value) for field, value in changed.items()}
    told = {key: filled_in(value, given) for key, value in services[name]["environment"].items()}
    native = Stack(settings, read_credentials(settings), {}).service_environment(name)
    ours = {key: value for key, value in native.items() if key.startswith("STOA_")}
    assert ours.keys() <= told.keys()
    assert {key: told[key] for key in ours if not OF_THE_PLACE.search(key)} == {
        key: value for key, value in ours.items() if not OF_THE_PLACE.search(key)
    }
    assert not {key for key in told.keys() - ours.keys() if key.removeprefix("STOA_").lower() in Settings.model_fields}


def test_everything_has_a_limit_of_memory(described):
    assert [name for name, one in described.items() if "mem_limit" not in one] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_service_is_given_its_own_schema_only(services, name):
    text = str(services[name]["environment"])
    assert re.findall(r"STOA_MYSQL_([A-Z]+)_PASSWORD", text) == [name.upper()]
    assert f"mysql:3306/{name}?" in text


def test_every_image_is_pinned_to_a_release(described):
    images = [one["image"] for one in described.values() if "build" not in one]
    assert all(re.search(r":v?\d", image) for image in images)


def test_each_schema_has_a_user_with_rights_on_it_alone():
    sql = (ROOT / "deploy" / "mysql" / "init.sql").read_text()
    for schema in SCHEMAS:
        assert f"CREATE DATABASE {schema} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;" in sql
        assert re.findall(rf"GRANT .* TO '{schema}'@", sql) == [f"GRANT ALL PRIVILEGES ON {schema}.* TO '{schema}'@"]

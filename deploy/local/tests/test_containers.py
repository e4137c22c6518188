"""The stack in containers: what it is told, when it is chosen, what is said of it."""

import re
from io import StringIO

import pytest
from dotenv import dotenv_values

from stoa.containers import Fleet, choosing, in_containers
from stoa.containers.engine import COMPOSE
from stoa.containers.showing import lines_of
from stoa.containers.variables import MACHINE, as_file, collector, variables
from stoa.credentials import read_credentials
from stoa.preflight import NotNow
from stoa.settings import Settings

pytestmark = pytest.mark.unit

ASKED = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
NOT_OURS = re.compile(
    r"STOA_(UPLOAD_(STORE|S3_\w+)|WEBHOOK_ALLOW_PRIVATE|\w+_MEMORY|REDIS_LIMIT"
    r"|(AUTH|CATALOG|CART|ORDERS|NOTIFIER|REALTIME)_(URL|SERVERS)|DRAIN_S|(PROMETHEUS|GRAFANA|JAEGER)_(PORT|PASSWORD|ANONYMOUS))"
)
"""What is left as the description has it, or stands only where there are replicas."""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for field in Settings.model_fields:
        monkeypatch.delenv(f"STOA_{field.upper()}", raising=False)


def settings(tmp_path, **changed):
    return Settings(run=tmp_path, _env_file=None, **changed)


def told(known, project="shop"):
    return variables(known, read_credentials(known), project)


def test_whatever_the_description_asks_for_is_told(tmp_path):
    missing = ASKED - told(settings(tmp_path)).keys()
    assert not {name for name in missing if not NOT_OURS.fullmatch(name)}
    secret = re.compile(r"STOA_(?!TLS_)\w+_(KEYS?|PASSWORD)")
    assert all(word for name, word in told(settings(tmp_path)).items() if secret.fullmatch(name))


@pytest.mark.parametrize(
    ("traces", "address"),
    [("off", ""), ("on", f"http://{MACHINE}:18122"), ("http://jaeger:4318/", "http://jaeger:4318")],
)
def test_spans_are_told_to_this_machine_or_to_whom_is_named(tmp_path, traces, address):
    known = settings(tmp_path, traces=traces)
    assert collector(known) == told(known)["OTEL_EXPORTER_OTLP_ENDPOINT"] == address


def test_the_file_says_what_it_was_told(tmp_path):
    words = {"A": 'it\'s $HOME and "more" #1', "B": "", "C": "Stoa <shop@stoa.example>"}
    assert dotenv_values(stream=StringIO(as_file(words)), interpolate=True) == words


def test_replicas_are_called_by_names_of_their_own_and_say_goodbye(tmp_path):
    alone = told(settings(tmp_path))
    assert "STOA_ORDERS_SERVERS" not in alone
    assert "STOA_DRAIN_S" not in alone
    several = told(settings(tmp_path, replicas="orders=2 catalog-worker=3"))
    assert several["STOA_ORDERS_SERVERS"] == "http://shop-orders-1:8000,http://shop-orders-2:8000"
    assert several["STOA_ORDERS_URL"] == several["STOA_ORDERS_SERVERS"]
    assert several["STOA_DRAIN_S"] == "3"
    assert "STOA_CATALOG_SERVERS" not in several


@pytest.mark.parametrize("engine", [True, False])
def test_containers_are_chosen_where_nothing_speaks_for_the_other(tmp_path, monkeypatch, engine):
    monkeypatch.setattr(choosing.engine, "answers", lambda: engine)
    assert in_containers(settings(tmp_path)) is engine
    assert in_containers(settings(tmp_path, docker="on"))
    assert not in_containers(settings(tmp_path, docker="off"))
    (tmp_path / "mysql").mkdir()
    assert not in_containers(settings(tmp_path))
    (tmp_path / "containers").mkdir()
    assert in_containers(settings(tmp_path))


def test_without_an_engine_the_start_is_refused_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(choosing.engine, "answers", lambda: False)
    with pytest.raises(NotNow, match="Docker does not answer"):
        Fleet(settings(tmp_path), None).up()
    assert list(tmp_path.iterdir()) == []


def container(service, state="running", health="healthy", code=0):
    return {
        "ID": service[:3],
        "Name": f"stoa-{service}-1",
        "Service": service,
        "State": state,
        "Health": health,
        "ExitCode": code,
    }


def test_a_container_is_ready_when_it_runs_and_says_so():
    lines = lines_of(
        [
            container("orders"),
            container("cart", health="starting"),
            container("redis", health=""),
            container("auth", state="exited", health="", code=1),
            container("auth-migration", state="exited", health=""),
            container("cart-migration", state="exited", health="", code=1),
        ],
        {"ord": 80},
    )
    assert {line.name: (line.state, line.ready, line.memory_mb) for line in lines} == {
        "stoa-orders-1": ("running healthy", True, 80),
        "stoa-cart-1": ("running starting", False, 0),
        "stoa-redis-1": ("running", True, 0),
        "stoa-auth-1": ("exited", False, 0),
        "stoa-cart-migration-1": ("exited", False, 0),
    }

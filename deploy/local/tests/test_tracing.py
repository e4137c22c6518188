"""`stoa trace`: what is told of an order is received as it comes, and becomes one tree."""

import gzip
import http.client
import json

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console
from typer.testing import CliRunner

from stoa import cli, tracing
from stoa.credentials import read_credentials
from stoa.hearing import Ear
from stoa.preflight import NotNow
from stoa.servers import free_port_block
from stoa.servers.gateway import static_part
from stoa.settings import ROOT as CHECKOUT
from stoa.settings import Settings
from stoa.stack import Stack
from stoa.tracing import Trace, as_json
from stoa.tracing.receiving import collecting
from stoa.tracing.spans import MS, NOBODY, Span, parts, walk

pytestmark = pytest.mark.unit

TRACE = "0af7651916cd43dd8448eb211c80319c"


def span(id, parent, service, name, begun, ended, path=""):
    return Span(TRACE, id, parent, service, name, begun * MS, ended * MS, path)


ROOT = span("a", "", "buyer", "POST", 0, 40, "/api/orders/")
SPANS = [
    ROOT,
    span("e", "c", "cart", "hear order.placed", 60, 80),
    span("b", "a", "orders", "POST", 10, 30, "/api/orders/"),
    span("c", "b", "orders", "publish order.placed", 50, 60),
    span("d", "b", "catalog", "POST /internal/reservations/", 15, 25),
    span("f", "lost", "realtime", "push", 70, 100),
]
"""10 ms of orders are catalog's; from 40 to 50 nobody is at work."""


@pytest.fixture
def followed():
    return Trace("ST-1", ROOT, SPANS, [])


def stack(folder, traces):
    settings = Settings(run=folder, traces=traces, _env_file=None)
    return Stack(settings, read_credentials(settings), {})


def told(trace=TRACE, name="POST"):
    """An export of one span, as a process sends it."""
    export = ExportTraceServiceRequest()
    resource = export.resource_spans.add()
    service = resource.resource.attributes.add(key="service.name")
    service.value.string_value = "orders"
    made = resource.scope_spans.add().spans.add(name=name, start_time_unix_nano=5, end_time_unix_nano=9)
    made.trace_id, made.span_id, made.parent_span_id = bytes.fromhex(trace), bytes(7) + b"1", bytes(7) + b"0"
    path = made.attributes.add(key="url.path")
    path.value.string_value = "/api/orders/"
    return export.SerializeToString()


def send(port, body, **headers):
    """A list of pieces is sent in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/v1/traces", body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_every_span_stands_under_its_caller_in_the_order_of_their_beginnings_and_strays_under_the_root():
    assert [(depth, one.id) for depth, one in walk(SPANS, ROOT)] == [
        *((0, "a"), (1, "b"), (2, "d"), (2, "c"), (3, "e"), (1, "f")),
    ]


def test_a_part_is_told_what_it_took_itself():
    own = {part.service: (part.own_ms, round(part.share, 2)) for part in parts(SPANS, ROOT)}
    assert own == {
        "realtime": (30.0, 0.3),
        "buyer": (20.0, 0.2),
        "orders": (20.0, 0.2),
        "cart": (20.0, 0.2),
        "catalog": (10.0, 0.1),
        NOBODY: (10.0, 0.1),
    }


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "chunked"])
def test_spans_are_received_however_they_are_sent(packed, in_pieces):
    """The gateway packs and sends in chunks, the services do neither."""
    body = gzip.compress(told()) if packed else told()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    port = free_port_block(1)
    with collecting(TRACE, port) as collector:
        assert send(port, iter([body[:10], body[10:]]) if in_pieces else body, **headers) == 200
        assert send(port, told("f" * 32)) == 200
        assert collector.spans() == [
            Span(TRACE, "0" * 14 + "31", "0" * 14 + "30", "orders", "POST", 5, 9, "/api/orders/")
        ]


def test_a_taken_port_is_said():
    port = free_port_block(1)
    with collecting(TRACE, port), pytest.raises(NotNow, match=f"Port {port} is taken"), collecting(TRACE, port):
        pass


@pytest.mark.parametrize(
    ("traces", "collector"),
    [("off", None), ("on", "http://127.0.0.1:18122"), ("http://collector:4318/", "http://collector:4318")],
)
def test_all_processes_are_told_of_the_same_collector(tmp_path, traces, collector):
    made = stack(tmp_path, traces)
    made.gateway.prepare()
    static = made.gateway.configuration.read_text()
    endpoints = {one.environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") for one in (*made.web, *made.workers)}
    assert endpoints == {collector}
    assert ("tracing:\n" in static.replace("    tracing", ""), f"{collector}/v1/traces" in static) == (
        (False, False) if collector is None else (True, True)
    )


@pytest.mark.parametrize(
    ("traces", "sentence"), [("off", "STOA_TRACES=on make up"), ("http://collector:4318", "sent to collector:4318")]
)
def test_where_nothing_is_told_to_it_the_command_says_so(tmp_path, monkeypatch, traces, sentence):
    stack(tmp_path, traces).gateway.prepare()
    monkeypatch.setenv("STOA_RUN", str(tmp_path))
    done = CliRunner().invoke(cli.app, ["trace"])
    assert (done.exit_code, sentence in done.output, done.output.count("\n")) == (1, True, 1)


def test_only_what_is_sent_to_this_machine_is_heard(tmp_path):
    path = tmp_path / "traefik.yaml"
    path.write_text(yaml.safe_dump(static_part(CHECKOUT / "gateway", 300, "http://host.docker.internal:18122")))
    assert Ear(path, "host.docker.internal", "172.17.0.1").port == 18122
    with pytest.raises(NotNow, match=r"sent to host\.docker\.internal:18122"):
        _ = Ear(path, "127.0.0.1", "127.0.0.1").port


def test_before_anything_was_started_the_command_says_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("STOA_RUN", str(tmp_path))
    done = CliRunner().invoke(cli.app, ["trace"])
    assert (done.exit_code, "STOA_TRACES=on make up" in done.output) == (1, True)


def test_a_tree_is_not_cut_and_what_is_missing_decides_the_exit_code(tmp_path, monkeypatch, followed):
    monkeypatch.setenv("STOA_RUN", str(tmp_path))
    monkeypatch.setattr(cli, "console", Console(width=30))
    monkeypatch.setattr(tracing, "follow", lambda *_: followed)
    done = CliRunner().invoke(cli.app, ["trace"])
    assert done.exit_code == 0
    assert "orders POST /api/orders/  +10.0 ms  20.0 ms\n" in done.output
    assert "of 100.0 ms in all" in done.output.replace("\n", " ")
    monkeypatch.setattr(tracing, "follow", lambda *_: Trace("ST-1", ROOT, SPANS, [("cart", "hear order.placed")]))
    done = CliRunner().invoke(cli.app, ["trace"])
    assert (done.exit_code, "Nothing was told of: cart hear order.placed." in done.output) == (1, True)


def test_programs_are_told_the_same(followed):
    said = json.loads(as_json(followed))
    assert (said["order"], said["trace"], said["total_ms"], said["missing"]) == ("ST-1", TRACE, 100.0, [])
    assert said["spans"][1] == {
        **{"id": "b", "parent": "a", "depth": 1, "service": "orders"},
        **{"name": "POST /api/orders/", "offset_ms": 10.0, "duration_ms": 20.0},
    }
    assert {"service": "cart", "own_ms": 20.0, "share": 0.2} in said["parts"]

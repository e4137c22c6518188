"""A collector for a moment: takes spans by OTLP over http on this machine, and keeps those of the traces asked for."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stoa.preflight import NotNow
from stoa.tracing.spans import Span

START_S = 10.0
PATHS = frozenset({"url.path", "http.target"})


class Collector:
    """What has been told; filled by the web server's thread."""

    def __init__(self, trace: str) -> None:
        self._trace = trace
        self._spans: dict[str, Span] = {}

    def spans(self) -> list[Span]:
        """The spans of the trace so far."""
        return list(self._spans.values())

    async def take(self, request: Request) -> Response:
        """One export."""
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self._spans |= {span.id: span for span in read(body) if span.trace == self._trace}
        return Response(b"", media_type="application/x-protobuf")


def read(body: bytes) -> Iterator[Span]:
    """The spans in the body of an export (OTLP 1.10, "OTLP/HTTP Request")."""
    for told in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _texts(told.resource.attributes).get("service.name", "?")
        for span in (span for scope in told.scope_spans for span in scope.spans):
            texts = _texts(span.attributes)
            path = next((texts[name] for name in PATHS if name in texts), "")
            ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
            yield Span(*ids, service, span.name, span.start_time_unix_nano, span.end_time_unix_nano, path)


def _texts(attributes: Any) -> dict[str, str]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: pair.value.string_value for pair in pairs if pair.value.HasField("string_value")}


@contextmanager
def collecting(trace: str, port: int, address: str = "127.0.0.1") -> Iterator[Collector]:
    """Listen on this port while the block goes on. Raises NotNow when it is taken."""
    collector = Collector(trace)
    app = Starlette(routes=[Route("/v1/traces", collector.take, methods=["POST"])])
    config = uvicorn.Config(app, host=address, port=port, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=_serve, args=(server,), daemon=True)
    thread.start()
    try:
        _wait(server, thread, port)
        yield collector
    finally:
        server.should_exit = True
        thread.join(START_S)


def _serve(server: uvicorn.Server) -> None:
    try:
        server.run()
    except SystemExit:  # how uvicorn says that it could not listen
        return


def _wait(server: uvicorn.Server, thread: threading.Thread, port: int) -> None:
    until = time.monotonic() + START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise NotNow(f"Port {port} is taken; spans are sent there already, or another `stoa trace` is at work.")
        time.sleep(0.02)

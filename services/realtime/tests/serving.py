"""The web server of one process, as production runs it."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from common.errors import Unavailable
from common.testing.waiting import eventually
from realtime.main import build
from realtime.settings import RealtimeSettings


@contextmanager
def served(settings: RealtimeSettings) -> Iterator[int]:
    """One process' web server, once it can tell what is sold; its port."""
    app = build(settings)
    with serving(app) as port:
        eventually(lambda: _has_begun(app))
        yield port


def _has_begun(app: FastAPI) -> bool:
    with suppress(Unavailable):
        return all(follower.at for follower in (app.state.audience, app.state.desk))
    return False


@contextmanager
def serving(app: FastAPI, *, compressed: bool = False) -> Iterator[int]:
    """This application behind the same web server; its port."""
    config = uvicorn.Config(
        app,
        port=0,
        ws="websockets-sansio",
        ws_max_size=65536,
        ws_per_message_deflate=compressed,
        timeout_graceful_shutdown=2,
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def listeners(port: int) -> float:
    """How many clients are connected to the stream."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:  # noqa: S310 - our own
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("stoa_realtime_listeners "))

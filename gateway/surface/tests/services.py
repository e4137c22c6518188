"""The six applications, built as in production and served from one process, each on a port of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

import auth.main
import cart.main
import catalog.main
import notifier.main
import orders.main
import realtime.main
from auth.settings import AuthSettings
from cart.settings import CartSettings
from catalog.settings import CatalogSettings
from common.testing.waiting import eventually
from notifier.settings import NotifierSettings
from orders.settings import OrdersSettings
from realtime.settings import RealtimeSettings

SERVICES = ("auth", "catalog", "cart", "orders", "notifier", "realtime")
SECRET = "only-for-the-tests-of-the-public-surface-0123456789"
CHEAP_HASHING = {"argon2_time_cost": 1, "argon2_memory_kib": 64}
LONG_S = 3600
"""A server that closes idle connections would now and then close one just as a test takes it up again."""
NOWHERE = {
    "env": "test",
    "database_url": "mysql+pymysql://nobody@127.0.0.1:1/nothing",
    "broker_url": "amqp://127.0.0.1:1/",
    "redis_url": "redis://127.0.0.1:1/0",
}

BUILD: Mapping[str, Callable[..., FastAPI]] = {
    "auth": lambda **given: auth.main.build(AuthSettings(secret_key=SECRET, **CHEAP_HASHING, **given)),
    "catalog": lambda **given: catalog.main.build(CatalogSettings(**given)),
    "cart": lambda **given: cart.main.build(CartSettings(**given)),
    "orders": lambda **given: orders.main.build(OrdersSettings(**given)),
    "notifier": lambda **given: notifier.main.build(NotifierSettings(webhook_key=SECRET, **given)),
    "realtime": lambda **given: realtime.main.build(RealtimeSettings(**given)),
}


def described() -> dict[str, FastAPI]:
    """All six, built to be looked at: they lead nowhere and are never started."""
    return {name: BUILD[name](**NOWHERE) for name in SERVICES}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document that the application gives away."""
    return app.openapi()


@contextmanager
def serving(apps: Mapping[str, FastAPI]) -> Iterator[dict[str, str]]:
    """The applications behind uvicorn, one loop for all of them; their addresses by name."""
    servers = {name: uvicorn.Server(_config(app)) for name, app in apps.items()}

    async def serve() -> None:
        await asyncio.gather(*(server.serve() for server in servers.values()))

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="six services")
    thread.start()
    try:
        eventually(lambda: all(server.started for server in servers.values()), seconds=60)
        yield {name: f"http://127.0.0.1:{_port(server)}" for name, server in servers.items()}
    finally:
        for server in servers.values():
            server.should_exit = True
        thread.join()


def _config(app: FastAPI) -> uvicorn.Config:
    quiet: dict[str, Any] = {"log_config": None, "access_log": False}
    patient = {"timeout_keep_alive": LONG_S, "timeout_graceful_shutdown": 5}
    return uvicorn.Config(app, port=0, ws="websockets-sansio", **quiet, **patient)


def _port(server: uvicorn.Server) -> int:
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port

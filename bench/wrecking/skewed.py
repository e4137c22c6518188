"""The skewed clock's room: a service in a second process whose clock is an hour ahead, hearing the same queue."""

import importlib
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI

from common import clock

AHEAD = timedelta(hours=1)
"""Longer than any lease, hold or intent lives, shorter than inboxes remember (`common.outbox.KEEP_HEARD`)."""


def _ahead() -> datetime:
    return datetime.now(UTC) + AHEAD


def _built(service: str) -> FastAPI:
    """The service's application, every module of which is imported with the other clock in place."""
    clock.now = _ahead
    application: FastAPI = importlib.import_module(f"{service}.main").build()
    return application


def realtime() -> FastAPI:
    """For uvicorn."""
    return _built("realtime")


def cart() -> FastAPI:
    """For uvicorn."""
    return _built("cart")

"""The clock bench: another time for one module, and for nobody else in the process."""

import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


def other_time(monkeypatch: pytest.MonkeyPatch, module: ModuleType, **functions: Callable[..., Any]) -> None:
    """Let a module that says `time.…` find these functions there.

    Loops of servers in other threads go by the real clock. A timer that they set while it is ahead would be due only
    when it has come as far by itself, and the server would stand still until then.
    """
    monkeypatch.setattr(module, "time", SimpleNamespace(**(vars(time) | functions)))

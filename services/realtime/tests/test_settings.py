"""How many sockets one client may open is decided here, whoever starts the process."""

import pytest

from realtime.settings import RealtimeSettings

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("variables", "per_address", "per_user"),
    [
        ({}, 20, 20),
        ({"STOA_LIMIT_SOCKETS": "3"}, 3, 3),
        ({"STOA_LIMIT_SOCKETS": "3", "STOA_RATE_LIMITS": "off"}, 0, 0),
        ({"STOA_LIMIT_SOCKETS": "3", "STOA_SOCKETS_PER_USER": "7"}, 3, 7),
        ({"STOA_RATE_LIMITS": "off", "STOA_SOCKETS_PER_ADDRESS": "7"}, 7, 0),
    ],
)
def test_the_limits_of_the_gateway_hold_for_sockets_too(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], per_address: int, per_user: int
) -> None:
    for name in ("RATE_LIMITS", "LIMIT_SOCKETS", "SOCKETS_PER_ADDRESS", "SOCKETS_PER_USER"):
        monkeypatch.delenv(f"STOA_{name}", raising=False)
    monkeypatch.delenv("STOA_MESSAGES_PER_S", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = RealtimeSettings(database_url="unused://", broker_url="unused://", redis_url="unused://")
    assert (settings.sockets_per_address, settings.sockets_per_user) == (per_address, per_user)
    assert settings.messages_per_s == (0 if "STOA_RATE_LIMITS" in variables else 20)

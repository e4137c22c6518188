"""Auth's settings refuse a secret that protects nothing."""

from typing import Any

import pytest
from pydantic import ValidationError

from auth.settings import AuthSettings

pytestmark = pytest.mark.unit

REST: dict[str, Any] = {"database_url": "", "broker_url": "", "redis_url": "", "service_key": "k", "sister_keys": "k"}


def test_a_short_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(ValidationError) as refused:
        AuthSettings(secret_key="too-short-to-hide", **REST)
    assert "too-short-to-hide" not in str(refused.value)


def test_a_placeholder_is_refused_in_production_only() -> None:
    secret = "change-me-change-me-change-me-change-me"
    assert AuthSettings(env="development", secret_key=secret, **REST).secret_key == secret
    with pytest.raises(ValidationError, match="STOA_SECRET_KEY"):
        AuthSettings(env="production", secret_key=secret, **REST)


def test_the_secret_does_not_show_in_the_settings_text() -> None:
    secret = "a-perfectly-good-secret-0123456789"
    assert secret not in repr(AuthSettings(secret_key=secret, **REST))

"""The settings' room: what every service reads from the environment."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PLACEHOLDERS = ("change-me", "changeme", "placeholder", "example-secret")


class Settings(BaseSettings):
    """Variables are named `STOA_` + field; a service adds its own in a subclass.

    A value that still contains a placeholder is refused outside development and test.
    """

    model_config = SettingsConfigDict(
        env_prefix="STOA_",
        extra="ignore",
        frozen=True,
        secrets_dir="/run/secrets" if Path("/run/secrets").is_dir() else None,
    )

    env: Literal["development", "test", "production"] = "development"
    log_level: str = "INFO"
    database_url: str
    broker_url: str
    redis_url: str
    auth_url: str = "http://auth:8000"
    catalog_url: str = "http://catalog:8000"
    cart_url: str = "http://cart:8000"
    orders_url: str = "http://orders:8000"
    public_url: str = "http://127.0.0.1:8080"
    service_key: str = Field("", repr=False)
    """This service's own key for calls to its sisters: 32 bytes in base64url (`stoa service-keys` makes them)."""
    sister_keys: str = ""
    """The public keys of all services, `name=key` with spaces between them."""
    currency: str = "EUR"
    threads: int = 24
    """Requests worked on at once by one process; its database pool is this size and a few more."""
    drain_s: float = Field(0, ge=0)
    """How long a process that is told to end still answers, while `/readyz` says 503: longer than the interval at which
    whoever spreads requests over replicas looks there. 0 where there is no other replica to go to."""
    max_body_bytes: int = 256 * 1024
    """Largest request body, as at the gateway (design: 256 kB by default)."""

    @model_validator(mode="after")
    def _refuse_placeholders(self) -> Self:
        if self.env == "production":
            if not (self.service_key and self.sister_keys):
                raise ValueError(
                    "production needs STOA_SERVICE_KEY and STOA_SISTER_KEYS: sisters refuse a call without"
                )
            for name, value in self:
                if isinstance(value, str) and any(word in value.lower() for word in PLACEHOLDERS):
                    raise ValueError(f"STOA_{name.upper()} still holds a placeholder; set a real value")
        return self

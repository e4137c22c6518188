"""The settings' room: what auth reads from the environment."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.settings import Settings


class AuthSettings(Settings):
    """What every service reads, and what only the one that signs needs."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    secret_key: str = Field(min_length=32, repr=False)
    """Encrypts the signing keys in the database and makes the refresh tokens; all replicas share it."""
    access_ttl_s: int = Field(600, ge=60, le=3600)
    refresh_days: int = Field(30, ge=1, le=365)
    """A session that is not gone on with for so long is over."""
    session_days: int = Field(90, ge=1, le=365)
    """Longest life of a session, however busy: then one signs in again (ASVS 5.0, 7.3.2)."""
    hash_threads: int = Field(2, ge=1, le=32)
    """Passwords hashed at once; each takes `argon2_memory_kib` for some 50 ms."""
    hash_queue: int = Field(100, ge=0, le=10_000)
    """Requests that may wait for one of those threads; more are answered 503 at once."""
    argon2_time_cost: int = Field(2, ge=1, le=20)
    argon2_memory_kib: int = Field(19 * 1024, ge=8, le=1024 * 1024)
    argon2_parallelism: int = Field(1, ge=1, le=16)
    """Defaults are OWASP's minimum for argon2id (design: reliability, E15)."""

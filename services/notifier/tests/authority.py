"""Auth, as far as it tells the secrets of mails: to notifier only, and only while there is something to send."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from common.clock import now
from common.errors import Unauthorized
from common.events import Event
from common.ids import new_id
from common.service_tokens import Sisters
from common.testing.sisters import FakeSister

from .telling import code_requested, reset_requested

PATH = "/internal/challenges/"
CODE, TOKEN = "402917", "q7Zc-1_tokentokentokentokentokentokentoken9"
Requested = Callable[..., Event]

both = pytest.mark.parametrize(
    ("requested", "purpose", "secret"),
    [(code_requested, "sign_in", CODE), (reset_requested, "password_reset", TOKEN)],
)
"""For what holds of codes and of links for a new password alike."""


@dataclass
class Authority:
    """Plays auth's challenges on a fake sister; those that it does not know are a 404."""

    sister: FakeSister
    sisters: Sisters
    challenges: dict[str, dict[str, Any]] = field(default_factory=dict)
    failing: tuple[int, Any] | None = None
    """What it answers to everything, while it is set."""

    def __post_init__(self) -> None:
        self.sister.answer("GET", PATH, self._answer)

    def challenge(self, purpose: str, secret: str, user: UUID | None = None, **more: Any) -> UUID:
        """A new challenge; its id."""
        challenge_id = new_id()
        told = {"purpose": purpose, "user_id": str(user or new_id()), "email": "ada@example.com", "name": "Ada"}
        expires_at = (now() + timedelta(minutes=10)).isoformat()
        self.challenges[str(challenge_id)] = told | {"secret": secret, "expires_at": expires_at} | more
        return challenge_id

    @property
    def asked(self) -> int:
        """How often it was asked for a challenge."""
        return sum(path.startswith(PATH) for _, path, _ in self.sister.asked)

    def _answer(self, path: str, _: Any) -> tuple[int, Any]:
        if self.failing is not None:
            return self.failing
        if not self._is_notifier(self.sister.shown[-1]):
            return 401, {"code": "invalid_token"}
        told = self.challenges.get(path.removeprefix(PATH).removesuffix("/"))
        return (404, {"code": "not_found"}) if told is None else (200, told)

    def _is_notifier(self, shown: str) -> bool:
        kind, _, token = shown.partition(" ")
        try:
            return kind == "Bearer" and self.sisters.caller(token) == "notifier"
        except Unauthorized:
            return False

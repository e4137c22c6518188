"""What notifier asks of auth: the secret of a mail, when the mail is written, and who is an administrator."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from common.errors import Unavailable
from common.http import Sister


class Challenge(BaseModel):
    """A secret that proves an address, and whose that is. Neither `repr` nor a complaint about it shows the secret."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    purpose: str
    user_id: UUID
    email: str = Field(min_length=1, max_length=254)
    name: str
    secret: SecretStr = Field(min_length=1)
    expires_at: AwareDatetime


class Administrator(BaseModel):
    """Somebody who is to be told what concerns the shop, as of this version of the account."""

    user_id: UUID
    version: int = Field(ge=0)
    email: str = Field(min_length=1, max_length=254)
    name: str


LIST = TypeAdapter(list[Administrator])


class Accounts:
    """Knows who has an account. Raises Unavailable when it cannot be asked or its answer makes no sense."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def administrators(self) -> list[Administrator]:
        """All administrators who may sign in."""
        status, body = self._sister.get("/internal/administrators/")
        try:
            return LIST.validate_python(body["administrators"])
        except (ValidationError, KeyError, TypeError) as error:
            raise Unavailable(f"auth answered {status} with something else", code="auth_unavailable") from error


class Challenges:
    """Knows what auth wants to be mailed. Raises Unavailable when that could not be found out."""

    def __init__(self, sister: Sister) -> None:
        self._sister = sister

    def look_up(self, challenge_id: UUID, purpose: str) -> Challenge | None:
        """The challenge, or None when there is nothing to send any more."""
        status, body = self._sister.get(f"/internal/challenges/{challenge_id}/")
        if status == 404:
            return None
        challenge = _read(body) if status == 200 else None
        if challenge is None or challenge.purpose != purpose:
            raise Unavailable(f"auth answered {status} with something else", code="auth_unavailable")
        return challenge


def _read(body: Any) -> Challenge | None:
    """None for a body that is no challenge; it may hold the secret all the same, so no exception takes it along."""
    try:
        return Challenge.model_validate(body)
    except ValidationError:
        return None

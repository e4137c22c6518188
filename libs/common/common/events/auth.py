"""What auth says."""

from typing import ClassVar
from uuid import UUID

from common.events.base import Event


class UserRegistered(Event):
    """A person has opened an account."""

    type: ClassVar[str] = "user.registered"
    source: ClassVar[str] = "/services/auth"

    user_id: UUID
    version: int
    username: str
    email: str
    first_name: str = ""
    last_name: str = ""

    @property
    def subject(self) -> str:
        return str(self.user_id)

    @property
    def sequence(self) -> int:
        return self.version

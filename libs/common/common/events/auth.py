"""What auth says. No secret is ever in it: whoever mails a code asks auth for it when the mail is written."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from common.events.base import Event


class AboutUser(Event):
    """Something that has happened to an account; `version` grows with each of them."""

    source: ClassVar[str] = "/services/auth"
    about: ClassVar[str] = "user_id"

    user_id: UUID
    version: int


class AccountAsItIs(AboutUser):
    """The account after the change. `challenge_id` is the check of its address, if that is to be mailed.

    `role` and `is_active` are None in what was said before they were told.
    """

    username: str
    email: str
    first_name: str = ""
    last_name: str = ""
    role: str | None = None
    is_active: bool | None = None
    challenge_id: UUID | None = None


class UserRegistered(AccountAsItIs):
    """A person has opened an account."""

    type: ClassVar[str] = "user.registered"


class UserUpdated(AccountAsItIs):
    """Name, address, role or activity is another now; `previous_email` is there when the address is."""

    type: ClassVar[str] = "user.updated"

    previous_email: str | None = None


class SessionsRevoked(AboutUser):
    """Sessions have ended before their time; the reason is a word such as `logout` or `password_changed`."""

    type: ClassVar[str] = "user.sessions_revoked"

    sessions: list[UUID]
    reason: str
    at: datetime


class ChallengeRequested(Event):
    """Somebody who named an address wants to prove that it is theirs; whose it is, if anyone's, is looked up later."""

    source: ClassVar[str] = "/services/auth"
    about: ClassVar[str] = "challenge_id"

    challenge_id: UUID
    expires_at: datetime


class OtpRequested(ChallengeRequested):
    """A one-time code is to be mailed."""

    type: ClassVar[str] = "user.otp_requested"


class PasswordResetRequested(ChallengeRequested):
    """The link for a new password is to be mailed."""

    type: ClassVar[str] = "user.password_reset_requested"

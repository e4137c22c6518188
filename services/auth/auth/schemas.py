"""The bodies that auth takes and gives over HTTP."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator, model_validator

from auth.fields import LONGEST_ADDRESS, Address, Chosen, Name, PhoneNumber, Secret, Token, Username, address
from auth.models import Role, User, UserSession
from common.fields import Body, UtcTime, View
from common.pagination import ListQuery


class Registration(Body):
    """What someone who opens an account says about themselves."""

    username: Username
    email: Address
    password: Chosen = Field(repr=False)
    password2: Secret | None = Field(None, repr=False, description="The password once more")
    first_name: Name = ""
    last_name: Name = ""
    phone_number: PhoneNumber = ""

    @field_validator("password2")
    @classmethod
    def _same(cls, again: str | None, info: ValidationInfo) -> str | None:
        if again is not None and again != info.data.get("password", again):
            raise ValueError("the two passwords differ")
        return again


class Credentials(Body):
    """A username or an address, and the password."""

    username: Annotated[str, Field(max_length=LONGEST_ADDRESS)] = ""
    email: Annotated[str, Field(max_length=LONGEST_ADDRESS)] = ""
    password: Secret = Field(repr=False)

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if bool(self.username) == bool(self.email):
            raise ValueError("send either username or email")
        return self

    @property
    def name(self) -> str:
        """Whichever of the two was sent, an address in the form in which it was registered."""
        name = self.username or self.email
        try:
            return address(name)
        except ValueError:
            return name


class Reader(Body):
    """The address whose reader is to get a mail."""

    email: Address


class OneTimeCode(Body):
    """The address, and the code that was mailed to it."""

    email: Address
    otp: Annotated[str, Field(pattern=r"^[0-9]{6}$", repr=False)]


class Proof(Body):
    """The token of a link that was mailed."""

    token: Token


class NewPassword(Body):
    """The token that was mailed, and the password from now on."""

    token: Token
    new_password: Chosen = Field(repr=False)


class PasswordChange(Body):
    """The password until now and from now on."""

    old_password: Secret = Field(repr=False)
    new_password: Chosen = Field(repr=False)


class Change(Body):
    """What one may change of one's own account; another name or address needs the password as well."""

    username: Username | None = None
    email: Address | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    phone_number: PhoneNumber | None = None
    current_password: Secret | None = Field(None, repr=False)

    def fields(self) -> dict[str, str]:
        """The new values by the account's names for them."""
        return self.model_dump(exclude_none=True, exclude={"current_password"})

    def touches_identity(self, user: User) -> bool:
        """Whether the account would be known by another name or address."""
        return self.username not in (None, user.username) or self.email not in (None, user.email)


class Standing(Body):
    """What administrators change of an account."""

    role: Annotated[Role, Field(strict=False)] | None = None
    is_active: bool | None = None

    def changes(self, user: User) -> dict[str, Any]:
        """The values that differ from the account's."""
        wanted = self.model_dump(exclude_none=True)
        return {name: value for name, value in wanted.items() if getattr(user, name) != value}


class Renewal(Body):
    """The refresh token of the pair that is to be renewed."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=4096, repr=False)]


class Leaving(Body):
    """Whether all of the user's sessions end, or only the one that asks."""

    all: bool = False


class UserView(View):
    """An account, as its owner and admins see it."""

    id: UUID
    username: str
    email: str
    first_name: str
    last_name: str
    phone_number: str
    email_verified: bool
    role: str
    is_active: bool
    created_at: UtcTime


class PairView(View):
    """A new pair of tokens; `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


class SignedIn(View):
    """What a sign-in is answered with."""

    message: str
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    user: UserView


class Message(View):
    """A sentence for people."""

    message: str


class CodeSent(View):
    """The same for every address; both figures are seconds."""

    message: str
    expires_in: int
    resend_after: int


class SessionView(View):
    """A session that goes on, as its user sees it; `current` is the one that asks."""

    id: UUID
    current: bool
    amr: list[str]
    ip: str
    user_agent: str
    created_at: UtcTime
    last_seen_at: UtcTime
    expires_at: UtcTime

    @classmethod
    def of(cls, row: UserSession, present: UUID) -> Self:
        """The view of a session for a user who asks from the present one."""
        kept = {name: getattr(row, name) for name in cls.model_fields if name not in ("current", "amr")}
        return cls(current=row.id == present, amr=row.amr.split(), **kept)


class UsersQuery(ListQuery):
    """What the list of users can be asked; `search` finds the beginning of a name or an address."""

    search: Annotated[str, Field(min_length=1, max_length=LONGEST_ADDRESS)] | None = None
    role: Role | None = None
    is_active: bool | None = None
    ordering: Literal["created_at", "-created_at", "username", "-username"] = "-created_at"


class MailedSecret(View):
    """What notifier needs for the mail about a challenge; kept by nobody."""

    purpose: str
    user_id: UUID
    email: str
    name: str
    secret: str = Field(repr=False)
    expires_at: UtcTime


class AdministratorView(View):
    """An administrator as notifier knows one, as of this version of the account."""

    user_id: UUID = Field(validation_alias="id")
    version: int
    email: str
    name: str = Field(validation_alias="full_name")


class Administrators(View):
    """All who may sign in."""

    administrators: list[AdministratorView]


class SessionState(View):
    """Whether a session goes on, for sister services."""

    active: bool


class KeySet(View):
    """Public signing keys (RFC 7517)."""

    keys: list[dict[str, Any]]

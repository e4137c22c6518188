"""The bodies that auth takes and gives over HTTP."""

import re
from typing import Annotated, Any, Self
from unicodedata import normalize
from uuid import UUID

import email_validator
from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from auth.models import compared
from common.fields import Body, UtcTime, View

USERNAME = re.compile(r"[\w.+-]+")
PHONE_NUMBER = re.compile(r"\+?[0-9 ()./-]{3,31}")
LONGEST_NAME = 150
LONGEST_PASSWORD = 128
LONGEST_ADDRESS = 254

email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # a shop inside a company or on a test machine has users too


def _username(text: str) -> str:
    name = normalize("NFKC", text)
    if not USERNAME.fullmatch(name):
        raise ValueError("a username has letters, digits and . + - _ only")
    if len(compared(name)) > LONGEST_NAME:
        raise ValueError(f"a username has at most {LONGEST_NAME} characters")
    return name


def _address(text: str) -> str:
    try:
        found = email_validator.validate_email(
            text, allow_smtputf8=False, check_deliverability=False, globally_deliverable=False, strict=True
        )
    except email_validator.EmailNotValidError as error:
        raise ValueError(str(error)) from None
    return found.ascii_email or found.normalized


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("this holds characters that cannot be printed")
    return text


def _phone_number(text: str) -> str:
    if text and not PHONE_NUMBER.fullmatch(text):
        raise ValueError("a phone number has digits, spaces and ( ) . / - only, and may begin with +")
    return text


Username = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_username)]
Address = Annotated[
    str,
    Field(max_length=LONGEST_ADDRESS, json_schema_extra={"format": "email"}),
    AfterValidator(_address),
]
Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_printable)]
PhoneNumber = Annotated[str, Field(max_length=32), AfterValidator(_phone_number)]
Secret = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=LONGEST_PASSWORD)]
"""A password as it is typed: nothing is stripped from it."""
NewPassword = Annotated[str, StringConstraints(strip_whitespace=False, min_length=8, max_length=LONGEST_PASSWORD)]


class Registration(Body):
    """What someone who opens an account says about themselves."""

    username: Username
    email: Address
    password: NewPassword = Field(repr=False)
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

    @property
    def own_words(self) -> list[str]:
        """What a password must not simply repeat."""
        full_name = f"{self.first_name} {self.last_name}".strip()
        return [self.username, self.email, self.email.rpartition("@")[0], self.first_name, self.last_name, full_name]


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
            return _address(name)
        except ValueError:
            return name


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


class SessionState(View):
    """Whether a session goes on, for sister services."""

    active: bool


class KeySet(View):
    """Public signing keys (RFC 7517)."""

    keys: list[dict[str, Any]]

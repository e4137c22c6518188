"""The fields of auth's bodies: what a name, an address, a number and a secret may be."""

import re
from typing import Annotated
from unicodedata import normalize

import email_validator
from pydantic import AfterValidator, Field, StringConstraints

from auth.models import compared
from auth.passwords import LONGEST, SHORTEST

USERNAME = re.compile(r"[\w.+-]+")
PHONE_NUMBER = re.compile(r"\+?[0-9 ()./-]{3,31}")
LONGEST_NAME = 150
LONGEST_ADDRESS = 254

email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # a shop inside a company or on a test machine has users too


def _username(text: str) -> str:
    name = normalize("NFKC", text)
    if not USERNAME.fullmatch(name):
        raise ValueError("a username has letters, digits and . + - _ only")
    if len(compared(name)) > LONGEST_NAME:
        raise ValueError(f"a username has at most {LONGEST_NAME} characters")
    return name


def address(text: str) -> str:
    """An address in the form in which it is kept. Raises ValueError."""
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
    AfterValidator(address),
]
Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_printable)]
PhoneNumber = Annotated[
    str,
    Field(max_length=32, json_schema_extra={"pattern": r"^(\+?[0-9()./-][0-9 ()./-]{1,28}[0-9()./-])?$"}),
    AfterValidator(_phone_number),
]
Secret = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=LONGEST)]
"""A password as it is typed: nothing is stripped from it."""
Chosen = Annotated[str, StringConstraints(strip_whitespace=False, min_length=SHORTEST, max_length=LONGEST)]
"""A password that is to be kept from now on."""
Token = Annotated[str, Field(min_length=1, max_length=200, repr=False)]
"""What a link in a mail ends with."""

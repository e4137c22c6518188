"""The describing room: what is more than a word about a product, its category's slug, its picture, its attributes."""

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from catalog.models import LONGEST_SLUG, LONGEST_URL

MOST_ATTRIBUTES = 50
MOST_VALUES = 20
LONGEST_WORD = 64
LONGEST_VALUE = 500
MOST_BYTES = 8192
"""Bounds of `attributes`: names, values in a list, signs of a name and of a value, bytes of the whole as JSON."""
LARGEST = 2**53
"""Whole numbers beyond it are not the same in every JSON reader (RFC 8259, section 6)."""

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
PARTS = re.compile("[a-z0-9]+")
HALF = re.compile("[\ud800-\udfff]")
"""A surrogate alone, which JSON can write and UTF-8 cannot."""
ADDRESS = re.compile(r"https?://[!-~]+", re.IGNORECASE)


def slug_of(text: str) -> str:
    """A name as a slug: its words in small letters without accents, with hyphens between, cut to what a slug may have.

    Nothing is left of a name in another script than Latin.
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return "-".join(PARTS.findall(letters))[:LONGEST_SLUG].strip("-")


def name_of(slug: str) -> str:
    """What a category is called when only its slug is known."""
    return slug.replace("-", " ").capitalize()


def check_url(text: str) -> str:
    """The address as it was given. Raises ValueError unless it is a web address."""
    try:
        parts = urlsplit(text)
        if ADDRESS.fullmatch(text) and parts.hostname and (parts.port is None or parts.port > 0):
            return text
    except ValueError:
        pass
    raise ValueError("send an address that begins with http:// or https://")


def check_attributes(value: Any) -> Any:
    """The attributes as they were given. Raises ValueError for what is not small and flat."""
    if not isinstance(value, Mapping):
        raise ValueError('send an object such as {"colour": "red"}')
    if len(value) > MOST_ATTRIBUTES:
        raise ValueError(f"at most {MOST_ATTRIBUTES} attributes")
    for name, each in value.items():
        if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_WORD:
            raise ValueError(f"an attribute's name has 1 to {LONGEST_WORD} signs")
        _check_value(name, each)
    text = json.dumps(value, ensure_ascii=False)
    if HALF.search(text):
        raise ValueError("half a character is no text")
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(f"attributes have at most {MOST_BYTES} bytes as JSON")
    return dict(value)


def _check_value(name: str, value: Any) -> None:
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST_VALUES or not all(map(_is_simple, values)):
        raise ValueError(
            f"{name!r}: a value is text of at most {LONGEST_VALUE} signs, a number, true, false or null, "
            f"or a list of at most {MOST_VALUES} of them"
        )


def _is_simple(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_VALUE and "\x00" not in value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return math.isfinite(value) and abs(value) <= LARGEST
    return value is None or isinstance(value, bool)


_VALUE: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "maxLength": LONGEST_VALUE, "pattern": "^[^\\x00]*$"},
        {"type": "number", "minimum": -LARGEST, "maximum": LARGEST},
        {"type": "boolean"},
        {"type": "null"},
    ]
}
_ATTRIBUTES: dict[str, Any] = {
    "type": "object",
    "maxProperties": MOST_ATTRIBUTES,
    "propertyNames": {"minLength": 1, "maxLength": LONGEST_WORD},
    "additionalProperties": {"anyOf": [*_VALUE["anyOf"], {"type": "array", "maxItems": MOST_VALUES, "items": _VALUE}]},
    "examples": [{"colour": "red", "sizes": ["S", "M"]}],
}

Slug = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_SLUG, pattern=SLUG),
]
"""A category's name in addresses."""
ImageUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_URL),
    AfterValidator(check_url),
    Field(description="http:// or https://"),
    WithJsonSchema({"type": "string", "maxLength": LONGEST_URL, "pattern": r"^https?://[a-z0-9.]+/[a-z0-9/._-]*$"}),
]
Attributes = Annotated[dict[str, Any], BeforeValidator(check_attributes), WithJsonSchema(_ATTRIBUTES)]
"""A small, flat JSON object."""

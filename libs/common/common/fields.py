"""The fields' room: how money, times and strict bodies travel over HTTP."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema, model_validator

PLAIN_DECIMAL = re.compile(r"-?\d{1,20}(\.(?P<cents>\d{1,20}))?", re.ASCII)
CENT = Decimal("0.01")
MOST_FIELDS = 100
MOST_MONEY = Decimal("99999999.99")
"""Ten digits, the two decimals among them: the widest unit price that the public surface accepts."""


def parse_money(value: Any, most: Decimal = MOST_MONEY) -> Decimal:
    """An amount from a string or a number: plain notation, at most 2 decimals, from zero to `most`.

    Raises ValueError with a sentence; an amount is never rounded.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError('send the amount as a string such as "12.50" or as a number')
    text = value if isinstance(value, str) else format(Decimal(str(value)), "f")
    parts = PLAIN_DECIMAL.fullmatch(text)
    if parts is None:
        raise ValueError('send the amount in plain decimal notation, such as "12.50"')
    if len(parts["cents"] or "") > 2:
        raise ValueError("an amount has at most 2 decimals")
    amount = Decimal(text)
    if text.startswith("-") or amount > most:
        raise ValueError(f"the amount must lie between 0 and {most}")
    return amount.quantize(CENT)


def show_time(value: datetime) -> str:
    """ISO 8601 in UTC, ending in Z."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Money = Annotated[
    Decimal,
    BeforeValidator(parse_money),
    PlainSerializer(lambda amount: format(amount, ".2f"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\.\d{2}$", "examples": ["12.50"]}, mode="serialization"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d{1,8}(\.\d{1,2})?$", "examples": ["12.50"]},
                {"type": "number", "minimum": 0, "maximum": 99999999.99, "multipleOf": 0.01},
            ]
        },
        mode="validation",
    ),
]
"""A unit price or another bounded amount that a client may send."""

Sum = Annotated[
    Decimal,
    PlainSerializer(lambda amount: format(amount, ".2f"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\.\d{2}$"}),
]
"""A total that the service worked out; it may be longer than a price."""

UtcTime = Annotated[
    datetime,
    PlainSerializer(show_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Body(BaseModel):
    """A request body: unknown fields and silent conversions are refused.

    A list in it needs a `max_length`: each wrong element costs a complaint, and complaints take their time.
    """

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, data: Any) -> Any:
        if isinstance(data, dict) and len(data) > MOST_FIELDS:
            raise ValueError(f"an object has at most {MOST_FIELDS} fields here")
        return data


class View(BaseModel):
    """An answer's body, read from a row, a mapping or an object."""

    model_config = ConfigDict(from_attributes=True)

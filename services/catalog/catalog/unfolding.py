"""The unfolding room: turns a JSON body `{"products": […]}` into one product per line, a piece of it at a time."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from catalog.texts import read_through
from common.errors import Invalid

READ = 1024 * 1024
SPACE = re.compile(r"[ \t\n\r]*")
SHAPE = 'send {"products": [{…}, {…}]}'

_decoder = json.JSONDecoder()


def unfold(source: Path, target: Path) -> None:
    """Write the body's products into `target`, one per line. Raises Invalid."""
    read_through(source)
    with source.open(encoding="utf-8-sig") as file, target.open("w", encoding="ascii") as lines:
        for product in _products(_Reader(file)):
            lines.write(f"{_dumped(product)}\n")


def _dumped(product: Any) -> str:
    try:
        return json.dumps(product)
    except RecursionError:
        raise Invalid("a product is nested too deeply", code="invalid_json") from None


class _Reader:
    """Looks at a text through a window that moves on; twice as much each time a value does not fit."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """The next sign that is not white space, nothing at the end."""
        while True:
            self._at = SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self, *signs: str) -> str:
        """The next sign, which must be one of these. Raises Invalid."""
        sign = self.peek()
        if sign not in signs:
            raise Invalid(f"this is not the JSON expected here; {SHAPE}", code="invalid_json")
        self._at += 1
        return sign

    def value(self, sign: str) -> Any:
        """The next value, which must begin with this sign. Raises Invalid."""
        if self.peek() != sign:
            raise Invalid(f"each product is an object; {SHAPE}", code="invalid_json")
        while True:
            try:
                value, self._at = _decoder.raw_decode(self._text, self._at)
                return value
            except (ValueError, RecursionError):
                if not self._read_on():
                    raise Invalid("the body is not valid JSON", code="invalid_json") from None

    def _read_on(self) -> bool:
        piece = self._file.read(max(READ, len(self._text)))
        self._text = self._text[self._at :] + piece
        self._at = 0
        return bool(piece)


def _products(reader: _Reader) -> Iterator[Any]:
    reader.take("{")
    if reader.value('"') != "products":
        raise Invalid(SHAPE, code="invalid_json")
    reader.take(":")
    reader.take("[")
    if reader.peek() == "]":
        reader.take("]")
    else:
        sign = ","
        while sign == ",":
            yield reader.value("{")
            sign = reader.take(",", "]")
    reader.take("}")
    reader.take("")

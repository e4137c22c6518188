"""The board's room: every product's newest count in memory, as of one number of the stream, and its texts."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, Self

import orjson

NUMBER = re.compile("[0-9]{1,18}")


class Count(NamedTuple):
    """A product's sold count as the stream says it under a number."""

    seq: int
    product_id: int
    sold_count: int


class LastSeen(NamedTuple):
    """The number in a stream up to which a listener knows everything."""

    stream: str
    seq: int

    def __str__(self) -> str:
        return f"{self.stream}:{self.seq}"

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """What `str` has written; None for nothing. What nobody has written stands for a stream that nobody knows."""
        if text is None:
            return None
        stream, _, seq = text.rpartition(":")
        return cls(stream, int(seq)) if NUMBER.fullmatch(seq) else cls("", 0)


class Numbered(Protocol):
    """A message of a stream."""

    @property
    def seq(self) -> int: ...


class Position:
    """Message `seq` of `stream`, up to which all is known; it follows the log without a gap."""

    def __init__(self, stream: str, seq: int) -> None:
        self.stream = stream
        self.seq = seq

    def follows(self, entries: Sequence[Numbered]) -> bool:
        """Whether the log goes on exactly here, and without a gap."""
        return bool(entries) and (entries[0].seq, entries[-1].seq) == (self.seq + 1, self.seq + len(entries))


class Board(Position):
    """The counts after that message."""

    def __init__(self, stream: str, seq: int, sold: dict[int, int]) -> None:
        super().__init__(stream, seq)
        self._sold = sold
        self._all: tuple[int, bytes] | None = None

    def apply(self, entries: Sequence[Count]) -> None:
        """Take in what the log says next."""
        for entry in entries:
            self._sold[entry.product_id] = entry.sold_count
        self.seq = entries[-1].seq

    def snapshot(self, products: Iterable[int] | None = None, **extra: Any) -> bytes:
        """JSON with stream, number and counts: of the given products (0 if never sold), else of all ever sold."""
        body = extra | {"stream": self.stream, "seq": self.seq, "data": orjson.Fragment(self._data(products))}
        return orjson.dumps(body)

    def _data(self, products: Iterable[int] | None) -> bytes:
        """The counts alone; those of all products are written once per number and shared."""
        if products is not None:
            return _counts((product, self._sold.get(product, 0)) for product in products)
        if self._all is None or self._all[0] != self.seq:
            self._all = (self.seq, _counts(self._sold.items()))
        return self._all[1]


def _counts(pairs: Iterable[tuple[int, int]]) -> bytes:
    return orjson.dumps([{"id": product, "sold_count": sold} for product, sold in pairs])

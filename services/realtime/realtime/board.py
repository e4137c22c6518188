"""The board's room: every product's newest count in memory, as of one number of the stream, and its texts."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson


class Count(NamedTuple):
    """A product's sold count as the stream says it under a number."""

    seq: int
    product_id: int
    sold_count: int


class Board:
    """The counts after message `seq` of `stream`; it follows the log without a gap."""

    def __init__(self, stream: str, seq: int, sold: dict[int, int]) -> None:
        self.stream = stream
        self.seq = seq
        self._sold = sold
        self._all: tuple[int, bytes] | None = None

    def follows(self, entries: Sequence[Count]) -> bool:
        """Whether the log goes on exactly where the board stands, and without a gap."""
        return bool(entries) and (entries[0].seq, entries[-1].seq) == (self.seq + 1, self.seq + len(entries))

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

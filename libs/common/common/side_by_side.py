"""The room of two sides: what a sister tells page by page, held against what stands here for the same span of ids."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from common.checking import Seen, compare

PAGE = 500
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)

Span = tuple[UUID, UUID]
"""Ids after the first, up to the last."""


class Identified(Protocol):
    """Something that a sister tells of."""

    @property
    def id(self) -> UUID:
        """Pages are in the order of these."""


T = TypeVar("T", bound=Identified)
Page = Callable[[UUID | None, int], Sequence[T]]
"""What comes after an id, from the beginning without one, and at most so much; less than that is the end."""
Differing = Callable[[Sequence[T], Span], Mapping[UUID, str]]
"""What is wrong, in words, between what was told of a span and what stands here for it."""


def compare_pages(what: str, page: Page[T], differing: Differing[T], patience_s: float) -> Seen:
    """Compare all there is, never in memory as a whole; what differs by itself, until it agrees or patience is over."""

    def again(ids: Sequence[UUID]) -> Mapping[UUID, str]:
        return {name: fault for each in ids for name, fault in _alone(page, differing, each).items()}

    return compare(what, lambda: _spans(page, differing), again, patience_s)


def _spans(page: Page[T], differing: Differing[T]) -> Iterator[tuple[int, Mapping[UUID, str]]]:
    last = FIRST
    while last != LAST:
        told = page(None if last == FIRST else last, PAGE)
        end = told[-1].id if len(told) == PAGE else LAST
        yield len(told), differing(told, (last, end))
        last = end


def _alone(page: Page[T], differing: Differing[T], wanted: UUID) -> Mapping[UUID, str]:
    before = UUID(int=wanted.int - 1)
    told = [each for each in page(before, 1) if each.id == wanted]
    return differing(told, (before, wanted))

"""What is told of one trace, and what comes of it: who was called by whom, and what each part took."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOBODY = "(waiting)"
"""In the place of a part: the time in which no span was open."""
MS = 1_000_000

Stretch = tuple[int, int]
"""From one moment to another, in nanoseconds since 1970."""


@dataclass(frozen=True)
class Span:
    """One piece of work; times are nanoseconds since 1970. `path` is what an HTTP span was asked for."""

    trace: str
    id: str
    parent: str
    service: str
    name: str
    begun: int
    ended: int
    path: str = ""

    @property
    def title(self) -> str:
        """Its name, with the path where that says the method only."""
        return f"{self.name} {self.path}".strip() if self.name in METHODS else self.name

    @property
    def stretch(self) -> Stretch:
        """When it was open."""
        return self.begun, self.ended


@dataclass(frozen=True)
class Part:
    """What all spans of one process took themselves, without those below them."""

    service: str
    own_ms: float
    share: float


def below(spans: Sequence[Span], root: Span) -> dict[str, list[Span]]:
    """The spans under each span's id, in the order of their beginnings; strays stand under the root."""
    known = {span.id for span in spans}
    found: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.begun):
        if span.id != root.id:
            found[span.parent if span.parent in known else root.id].append(span)
    return found


def walk(spans: Sequence[Span], root: Span) -> Iterator[tuple[int, Span]]:
    """Every span with its depth, from the root down."""
    children = below(spans, root)
    waiting = [(0, root)]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting += [(depth + 1, child) for child in reversed(children[span.id])]


def total(spans: Iterable[Span], root: Span) -> int:
    """Nanoseconds from the root's beginning to the end of the last span."""
    return max(span.ended for span in spans) - root.begun


def parts(spans: Sequence[Span], root: Span) -> list[Part]:
    """What each process took itself, the most first, and the time in which nobody was at work.

    Parts may go on side by side, so their shares may come to more than the whole.
    """
    whole, children = total(spans, root), below(spans, root)
    own: dict[str, int] = defaultdict(int)
    for span in spans:
        own[span.service] += _length([span.stretch]) - _covered(span, children[span.id])
    own[NOBODY] = whole - _length(_joined(span.stretch for span in spans))
    most_first = sorted(own.items(), key=lambda item: -item[1])
    return [Part(service, took / MS, took / whole if whole else 0.0) for service, took in most_first]


def _covered(span: Span, children: Sequence[Span]) -> int:
    """How long at least one child was open within the span."""
    inside = [(max(child.begun, span.begun), min(child.ended, span.ended)) for child in children]
    return _length(_joined(stretch for stretch in inside if stretch[0] < stretch[1]))


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time without overlaps."""
    joined: list[Stretch] = []
    for begun, ended in sorted(stretches):
        if joined and begun <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(ended, joined[-1][1]))
        else:
            joined.append((begun, ended))
    return joined


def _length(stretches: Iterable[Stretch]) -> int:
    return sum(ended - begun for begun, ended in stretches)

"""The accepting room: which of the offered media types a client's Accept header asks for (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence

from common.errors import NotAcceptable


def choose(accept: str, offered: Sequence[str]) -> str:
    """The offered type that is liked best, of equals the first; without a wish that too. Raises NotAcceptable."""
    if not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",")]
    likings = [_liking(media_type, ranges) for media_type in offered]
    best = max(likings)
    if best <= 0:
        raise NotAcceptable(f"this is given as {' or '.join(offered)}")
    return offered[likings.index(best)]


def _range(part: str) -> tuple[str, float]:
    """A range and how much it is liked; not at all if that cannot be read."""
    name, *parameters = (word.strip().lower() for word in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            return name, _quality(parameter.removeprefix("q="))
    return name, 1.0


def _quality(text: str) -> float:
    whole, _, rest = text.partition(".")
    plain = whole in ("0", "1") and len(rest) <= 3 and (not rest or (rest.isascii() and rest.isdecimal()))
    return min(float(text), 1.0) if plain else 0.0


def _liking(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """What the most exact range says that the type lies in."""
    for fitting in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        said = [quality for name, quality in ranges if name == fitting]
        if said:
            return max(said)
    return 0.0

"""The preconditions' room: which version of a resource a client has seen (RFC 9110, section 13.1)."""

from common.errors import PreconditionFailed


def check_match(etag: str, if_match: str | None, what: str) -> None:
    """Raise PreconditionFailed unless If-Match names this tag, or is absent (section 13.1.1).

    Weak tags never match, and an empty list matches nothing.
    """
    if not _names(etag, ["*"] if if_match is None else _tags(if_match)):
        raise PreconditionFailed(f"the {what} has changed since; read it again", current=etag)


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Whether If-None-Match names this tag, so that the client has this version already (section 13.1.2).

    Weak tags match too.
    """
    return _names(etag, [tag.removeprefix("W/") for tag in _tags(if_none_match or "")])


def _tags(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",")]


def _names(etag: str, tags: list[str]) -> bool:
    return etag in tags or "*" in tags

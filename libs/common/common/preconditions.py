"""The preconditions' room: whether a client has seen the version that it wants to change (RFC 9110, section 13.1.1)."""

from common.errors import PreconditionFailed


def check_match(etag: str, if_match: str | None, what: str) -> None:
    """Raise PreconditionFailed unless If-Match names this tag, or is absent.

    Weak tags never match, and an empty list matches nothing.
    """
    tags = [tag.strip() for tag in ("*" if if_match is None else if_match).split(",")]
    if etag not in tags and "*" not in tags:
        raise PreconditionFailed(f"the {what} has changed since; read it again", current=etag)

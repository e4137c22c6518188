"""The words of the role matrix: a door is one operation, with who may knock and what each is answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .callers import Caller
from .house import Platform

Make = Callable[[Platform, Caller], dict[str, Any]]
"""Something made for the owner of what is asked for: ids in the path, or what a request holds besides."""


class Who(StrEnum):
    """The columns of the matrix whose tokens are good."""

    ANONYMOUS = "anonymous"
    USER = "user"
    OTHER = "other user"
    ADMIN = "admin"
    CODE_ADMIN = "admin who signed in with a mailed code"


def nothing(_: Platform, __: Caller) -> dict[str, Any]:
    """No ids, no body."""
    return {}


def sends(**more: Any) -> Make:
    """The same request of everybody."""
    return lambda *_: dict(more)


@dataclass(frozen=True)
class Door:
    """One operation. `deaf` is the reason why it does not look at a token, if it does not."""

    service: str
    method: str
    path: str
    answers: Mapping[Who, int]
    ids: Make = nothing
    sent: Make = nothing
    everyones_own: bool = False
    """Whether each caller asks for what is their own; else it belongs to `Who.USER`."""
    deaf: str = ""

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"


@dataclass(frozen=True)
class Inside:
    """An operation for sister services; `by` are those that may call, all if none is named."""

    service: str
    method: str
    path: str
    by: tuple[str, ...] = ()
    ids: Make = nothing
    sent: Make = nothing

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"


@dataclass(frozen=True)
class Service:
    """Writes the rows of one service."""

    name: str
    doors: list[Door] = field(default_factory=list)

    def everyone(self, method: str, path: str, status: int, **more: Any) -> None:
        """Who sends a token must send a good one, and then it makes no difference."""
        self._add(method, path, dict.fromkeys(Who, status), everyones_own=True, **more)

    def members(self, method: str, path: str, status: int, **more: Any) -> None:
        """For whoever has signed in, about what is their own."""
        answers = dict.fromkeys(Who, status) | {Who.ANONYMOUS: 401}
        self._add(method, path, answers, everyones_own=True, **more)

    def owners(self, method: str, path: str, status: int, *, admin: int | None = None, **more: Any) -> None:
        """For the owner and for administrators; to others it does not exist."""
        answers = dict.fromkeys(Who, 404) | {Who.ANONYMOUS: 401, Who.USER: status, Who.ADMIN: admin or status}
        self._add(method, path, answers, **more)

    def admins(self, method: str, path: str, status: int, **more: Any) -> None:
        """For administrators who signed in with their password."""
        answers = dict.fromkeys(Who, 403) | {Who.ANONYMOUS: 401, Who.ADMIN: status}
        self._add(method, path, answers, **more)

    def deaf(self, method: str, path: str, status: int, *, why: str, **more: Any) -> None:
        """For everyone, whatever token they send."""
        self._add(method, path, dict.fromkeys(Who, status), deaf=why, everyones_own="sent" not in more, **more)

    def _add(self, method: str, path: str, answers: dict[Who, int], **more: Any) -> None:
        self.doors.append(Door(self.name, method, path, answers, **more))

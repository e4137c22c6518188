"""The jobs' room: the parts of a file are sent one after the other, each is followed to its end, all are added up."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from stoa.importing.admin import Admin
from stoa.importing.parts import Kind, Part
from stoa.preflight import NotNow

UPLOAD = "/api/products/bulk-upload/"
POLL_S = 0.3
STALLED_S = 300.0
"""A job that has not moved for so long is left alone."""
COUNTED = ("total", "processed", "created", "updated", "unchanged", "duplicates", "failed", "ignored")
OVER = ("finished", "failed", "cancelled")

Told = dict[str, Any]
Show = Callable[[int, Told], None]
"""Is told the part's number, from 0 on, and how far its job has come."""


class Left(Exception):
    """Nobody follows the job any more, which goes on; the text says where it is and what was not sent."""


@dataclass
class Outcome:
    """What has become of a file."""

    counts: Counter[str] = field(default_factory=Counter)
    unknown_columns: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    """Paths of the jobs that have bad rows."""
    stopped: str = ""
    """Why not all was worked on, if so."""

    @property
    def code(self) -> int:
        """The exit code: 0 all good, 1 some rows bad, 2 not done for another reason."""
        if self.counts["failed"]:
            return 1
        return 2 if self.stopped else 0

    def take(self, told: Told, path: str) -> None:
        """Add a job that is over."""
        self.counts.update({name: told.get(name) or 0 for name in COUNTED})
        self.unknown_columns += [one for one in told.get("unknown_columns") or [] if one not in self.unknown_columns]
        if told.get("failed"):
            self.bad.append(path)
        if told["status"] != "finished":
            self.stopped = f"The job has ended as {told['status']}: {told.get('reason') or 'no reason is given'}."


def take_in(admin: Admin, parts: Sequence[Part], kind: Kind, wishes: Mapping[str, str], show: Show) -> Outcome:
    """Send and follow each part; what comes after one that does not finish is not sent. Raises NotNow, Left."""
    outcome, run = Outcome(), uuid4()
    for number, part in enumerate(parts):
        path = ""
        try:
            path = _send(admin, part, kind, wishes, f"{run}-{number}")
            told = _follow(admin, path, lambda told, number=number: show(number, told))  # type: ignore[misc]
        except KeyboardInterrupt:
            raise Left(_whereabouts(admin, path, number, len(parts))) from None
        except NotNow as failure:
            if number == 0 and not path:
                raise
            raise NotNow(f"{failure.sentence} {_whereabouts(admin, path, number, len(parts))}", failure.tail) from None
        outcome.take(told, path)
        if outcome.stopped:
            outcome.stopped += _unsent(number + 1, len(parts))
            break
    return outcome


def keep_bad_rows(admin: Admin, outcome: Outcome, target: Path) -> bool:
    """Write the bad rows of all parts into one file, ready to be mended; False if the shop does not give them so."""
    with target.open("wb") as file:
        for number, path in enumerate(outcome.bad):
            with admin.asked("GET", f"{path}errors/", headers={"Accept": "text/csv"}) as answer:
                if not answer.headers.get("content-type", "").startswith("text/csv"):
                    break
                within = number == 0
                for piece in answer.iter_bytes():
                    kept = piece if within else piece.partition(b"\n")[2]
                    within = within or b"\n" in piece
                    file.write(kept)
        else:
            return True
    target.unlink()
    return False


def _send(admin: Admin, part: Part, kind: Kind, wishes: Mapping[str, str], key: str) -> str:
    """The path of the part's job."""
    headers = {"Content-Type": kind.value, "Content-Length": str(part.size), "Idempotency-Key": key}
    path: str = admin.ask("POST", UPLOAD, pieces=part.pieces, headers=headers, params=wishes)["status_url"]
    return path


def _follow(admin: Admin, path: str, show: Callable[[Told], None]) -> Told:
    """The job when it is over. Raises NotNow when it does not move."""
    before: tuple[Any, ...] = ()
    since = time.monotonic()
    while True:
        told: Told = admin.ask("GET", path)
        show(told)
        if told["status"] in OVER:
            return told
        seen = (told["status"], told.get("processed"))
        if seen != before:
            before, since = seen, time.monotonic()
        if time.monotonic() - since > STALLED_S:
            raise NotNow(f"The job has not moved for {STALLED_S:.0f} s; is catalog's worker alive?")
        time.sleep(POLL_S)


def _whereabouts(admin: Admin, path: str, number: int, parts: int) -> str:
    """Where the job can be looked at, and which parts were not sent."""
    look = f"curl -H 'Authorization: Bearer …' {admin.url(path or UPLOAD)}"
    begun = f"The job goes on by itself; look at it with: {look}"
    unsure = f"Whether the shop has got the file can be seen with: {look}"
    return (begun if path else unsure) + _unsent(number + 1 if path else number, parts)


def _unsent(number: int, parts: int) -> str:
    if parts == 1 or number >= parts:
        return ""
    return f" (of {parts} parts the last {parts - number} were not sent)"

"""The story of one import: cut the file, send and follow its parts, keep the bad rows, report."""

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
from rich.console import Console

from stoa.encryption import trusted
from stoa.importing.admin import Admin
from stoa.importing.jobs import Outcome, keep_bad_rows, take_in
from stoa.importing.parts import MOST_BYTES, cut, kind_of
from stoa.importing.showing import bar, report
from stoa.preflight import NotNow
from stoa.settings import Settings

ANSWER_S = 120.0
"""Longest wait for an answer: the shop looks a whole part through before it takes it."""

Mode = Literal["upsert", "create", "update"]
OnError = Literal["skip", "abort"]


@dataclass(frozen=True)
class Wishes:
    """How the file is to be taken."""

    mode: Mode
    on_error: OnError
    dry_run: bool

    @property
    def query(self) -> dict[str, str]:
        """The same as parameters of an upload."""
        return {"mode": self.mode, "on_error": self.on_error, "dry_run": str(self.dry_run).lower()}


@dataclass(frozen=True)
class Door:
    """The gateway, and who knocks."""

    url: str
    username: str
    password: str
    trusted: ssl.SSLContext | bool = True


def door(settings: Settings, url: str | None, username: str | None, password: str | None) -> Door:
    """The local stack's, as far as nothing else is given."""
    return Door(
        url or settings.url,
        username or settings.admin_username,
        password or settings.admin_password,
        trusted(settings) if url in (None, settings.url) else True,
    )


def import_file(console: Console, file: Path, wishes: Wishes, gateway: Door) -> int:
    """Take the file in and report; the exit code. Raises NotNow, Left."""
    kind = kind_of(file)
    with console.status(f"read {file.name} …"):
        parts = cut(file, kind)
    if max(part.size for part in parts) > MOST_BYTES:
        limit = MOST_BYTES // 1024**2
        raise NotNow(f"{file.name} is larger than the {limit} MB that can be sent at once; CSV and NDJSON are cut.")
    if len(parts) > 1 and wishes.on_error == "abort" and not wishes.dry_run:
        raise NotNow(
            f"{file.name} has to be sent in {len(parts)} parts, and `abort` holds for one part only: "
            "check the file with --dry-run, then send it with --on-error skip."
        )
    begun = time.monotonic()
    with httpx.Client(base_url=gateway.url, timeout=ANSWER_S, verify=gateway.trusted, trust_env=False) as http:
        admin = Admin(http, gateway.username, gateway.password)
        with bar(console, parts) as show:
            outcome = take_in(admin, parts, kind, wishes.query, show)
        kept = _keep(admin, outcome, file)
    report(console, outcome, file, dry_run=wishes.dry_run, kept=kept, seconds=time.monotonic() - begun)
    return outcome.code


def _keep(admin: Admin, outcome: Outcome, file: Path) -> str:
    """Write the bad rows beside the file; where they are, in a sentence."""
    if not outcome.bad:
        return ""
    target = file.with_name(f"{file.name}.errors.csv")
    if keep_bad_rows(admin, outcome, target):
        return f"The bad rows are in {target}, each with its error: mend them and import that file."
    return f"The bad rows: {', '.join(admin.url(f'{path}errors/') for path in outcome.bad)}"

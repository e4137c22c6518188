"""What an operator does about single dead letters, over the gateway: show, replay, drop, wherever they lie."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from rich.json import JSON

from stoa.faring import LEFT, MOST_LETTERS, PREFIXES, UNKNOWN, asked, check_services, path_of, signed_in
from stoa.importing import Door
from stoa.preflight import NotNow

VERBS = ("list", "show", "replay", "drop")
MOST_NAMED = 500
"""As many ids as a service takes at once."""
MOST_ROUNDS = 1000
"""Calls that send all letters of a service again, 10 s each: a bound on what begins anew at its end."""

Say = Callable[..., object]


def verb_of(words: Sequence[str], *, everything: bool) -> tuple[str, list[str]]:
    """What to do, and with which ids or services. Raises NotNow for what makes no sense."""
    verb, named = (words[0], list(words[1:])) if words and words[0] in VERBS else ("list", list(words))
    if verb == "show" and len(named) != 1:
        raise NotNow("`show` takes the id of one letter.")
    if verb == "drop" and (everything or not named):
        raise NotNow("`drop` takes the ids of the letters; never all.")
    if verb == "replay" and everything == bool(named):
        raise NotNow("`replay` takes the ids of letters, or --all.")
    if len(named) > MOST_NAMED:
        raise NotNow(f"At most {MOST_NAMED} letters can be named at once.")
    return verb, named


@dataclass
class Desk:
    """Where letters are worked on; services that could not be asked are remembered."""

    http: httpx.Client
    services: Sequence[str]
    silent: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def opened(cls, gateway: Door, service: str) -> Iterator["Desk"]:
        """For the letters of one service, or of all. Raises NotNow when nobody can sign in."""
        chosen = [service] if service else list(PREFIXES)
        check_services(chosen)
        with signed_in(gateway) as http:
            yield cls(http, chosen)

    def show(self, ids: Sequence[str], say: Say) -> int:
        """All that is known of a letter, of each service that has it; the exit code."""
        found = [(service, letter) for service in self.services for letter in self._find(service, ids[0], say)]
        for service, letter in found:
            say(f"{service}:", markup=False)
            say(JSON.from_data(letter))
        if not found:
            say(f"No service that was asked has a dead letter {ids[0]}.", markup=False)
        return self._code(well=bool(found))

    def replay(self, ids: Sequence[str], say: Say) -> int:
        """Let letters be heard again, all if none is named; the exit code."""
        count = left = 0
        for service in self.services:
            told = self._replay_all(service, say) if not ids else self._change(service, "replay", ids, say)
            count, left = count + told.get("replayed", 0), left + told.get("left", 0)
        say(f"{count} letters are heard again" + (f", {left} are left." if left else "."), markup=False)
        return self._code(well=count >= len(ids) if ids else left == 0)

    def drop(self, ids: Sequence[str], say: Say) -> int:
        """Throw letters away; the exit code."""
        count = sum(self._change(service, "drop", ids, say).get("dropped", 0) for service in self.services)
        say(f"{count} letters are gone for good.")
        return self._code(well=count >= len(ids))

    def _replay_all(self, service: str, say: Say) -> dict[str, Any]:
        """Until none is left, or none goes any more."""
        count, told = 0, dict[str, Any]()
        for _ in range(MOST_ROUNDS):
            told = self._change(service, "replay", [], say)
            count += told.get("replayed", 0)
            if not (told.get("left") and told.get("replayed")):
                break
        return told | {"replayed": count}

    def _find(self, service: str, wanted: str, say: Say) -> Iterator[dict[str, Any]]:
        offset, left = 0, 1
        while left:
            told = self._asked(service, "GET", f"dead-letters/?limit={MOST_LETTERS}&offset={offset}", say)
            yield from (letter for letter in told.get("results", ()) if letter["id"] == wanted)
            offset, left = offset + MOST_LETTERS, told.get("left", 0)

    def _change(self, service: str, verb: str, ids: Sequence[str], say: Say) -> dict[str, Any]:
        return self._asked(service, "POST", f"dead-letters/{verb}/", say, json={"ids": list(ids)} if ids else {})

    def _asked(self, service: str, method: str, more: str, say: Say, **body: Any) -> dict[str, Any]:
        """What the service answers; nothing if it does not, which is said."""
        try:
            return asked(self.http, method, path_of(service, more), **body)
        except NotNow as failure:
            say(f"{service}: {failure.sentence}", markup=False)
            self.silent.append(service)
            return {}

    def _code(self, *, well: bool) -> int:
        if self.silent:
            return UNKNOWN
        return 0 if well else LEFT

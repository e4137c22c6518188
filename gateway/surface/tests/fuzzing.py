"""The fuzzing bench: what Schemathesis makes of the services' own documents, and what an answer is held against."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import schemathesis
from schemathesis import Case
from schemathesis.checks import CheckContext
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import positive_data_acceptance

from .house import Platform
from .services import described, openapi

ANONYMOUS, USER, ADMIN = "anonymous", "user", "admin"

BEYOND_A_SCHEMA = (
    "the two passwords differ",
    "send either username or email",  # rules between two fields
    "a username has letters",
    "characters that cannot be printed",  # Unicode's classes, which a pattern cannot name in every dialect
    "String should have at least 1 character",  # of more than white space, which is cut off at the ends
    "Input should be a valid integer",  # 1.0 is one to JSON Schema, but not to a strict body
    "less than or equal to 9223372036854775807",  # the generator rounds this bound up to a float
)
BEYOND_A_FORMAT = ("email", "contact.email")
"""What may be said against data of which the document has nothing to say; RFC 5321 knows more about an address."""

NOT_WRITTEN_HERE = ("application/x-ndjson", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
"""Kinds of body that the generator cannot write."""
ENDLESS = ("/api/realtime/products/stream/",)
"""What realtime answers without an end."""


def documents() -> dict[str, Any]:
    """What each service promises, by its name."""
    found = {name: openapi(app) for name, app in described().items()}
    bodies = found["catalog"]["paths"]["/api/products/bulk-upload/"]["post"]["requestBody"]["content"]
    for kind in NOT_WRITTEN_HERE:
        bodies.pop(kind)
    for path in ENDLESS:
        found["realtime"]["paths"].pop(path)
    return found


def of_one(document: dict[str, Any], method: str, path: str) -> Any:
    """The document, of which this operation alone is asked. A find is shown with all its secrets: they are made up."""
    others = {"exclude-name": f"{method} {path}", "enabled": False}
    config = {"output": {"sanitization": {"enabled": False}}, "operations": [others]}
    return schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))


@schemathesis.check
def valid_data_is_not_called_invalid(_: CheckContext, response: Response, case: Case) -> None:
    """What is right by the document may be refused for what it means (a code that is used up), not for how it looks.

    This takes the place of `positive_data_acceptance`, which knows refusals by their status alone.
    """
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    problem = response.json()
    complaints = [(field, text) for field, texts in problem.get("errors", {}).items() for text in texts]
    strange = [complaint for complaint in complaints if not _is_beyond(*complaint)]
    assert problem["code"] != "invalid" or not strange, problem["detail"]


def _is_beyond(field: str, text: str) -> bool:
    return field in BEYOND_A_FORMAT or any(known in text for known in BEYOND_A_SCHEMA)


EXCLUDED: list[Callable[..., Any]] = [positive_data_acceptance]


@dataclass(frozen=True)
class Desk:
    """Where the cases of one service are asked, by somebody of each role, over a connection that stays open."""

    url: str
    shown: dict[str, dict[str, str]]
    session: requests.Session
    thorough: bool

    @classmethod
    @contextmanager
    def opened(cls, platform: Platform, service: str, *, thorough: bool) -> Iterator["Desk"]:
        """A desk with a connection of its own, closed at the end."""
        people = platform.people[service]
        shown = {
            ANONYMOUS: {},
            USER: dict(people.someone().headers),
            ADMIN: dict(people.someone("admin").headers),
        }
        with requests.Session() as session:
            session.trust_env = False
            yield cls(platform.urls[service], shown, session, thorough)

    def ask(self, case: Case) -> None:
        """Send a case as each role and hold the answers against the document.

        A short run sends the cases that are worked out, not drawn, as the administrator alone, who gets furthest.
        """
        drawn = case.meta is None or case.meta.phase.name == TestPhase.FUZZING
        for role in self.shown if drawn or self.thorough else [ADMIN]:
            try:
                case.call_and_validate(
                    base_url=self.url, headers=dict(self.shown[role]), session=self.session, excluded_checks=EXCLUDED
                )
            except Exception as wrong:
                wrong.add_note(f"sent as {role}")
                raise

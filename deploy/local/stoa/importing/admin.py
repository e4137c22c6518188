"""The administrator's room: requests over the gateway, sent again when the answer or its loss asks for it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from stoa.preflight import NotNow

ATTEMPTS = 12
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
"""Pauses double from the first to the longest: about a minute in all, longer than a service takes to come back."""
LONGEST_WAIT_S = 60.0
"""More than this is not waited even if an answer asks for it."""
EARLY_S = 60.0
"""So long before its end a token is renewed; a part takes less to be sent."""
PASSING = frozenset({429, 502, 503, 504})

Pieces = Callable[[], Iterator[bytes]]


class Admin:
    """Somebody who signs in when it is first needed, and again before the token runs out."""

    def __init__(self, http: httpx.Client, username: str, password: str) -> None:
        self._http = http
        self._account = {"username": username, "password": password}
        self._token = ""
        self._ends = 0.0

    def url(self, path: str) -> str:
        """The whole address of a path."""
        return str(self._http.base_url.join(path))

    def ask(self, method: str, path: str, *, pieces: Pieces | None = None, **more: Any) -> Any:
        """The answer's JSON. Raises NotNow when it is a refusal, or none comes."""
        with self.asked(method, path, pieces=pieces, **more) as answer:
            answer.read()
            return answer.json()

    @contextmanager
    def asked(self, method: str, path: str, *, pieces: Pieces | None = None, **more: Any) -> Iterator[httpx.Response]:
        """The answer, whose body has not been read yet. Raises NotNow as `ask` does."""
        answer = self._good(self._in_my_name(method, path, pieces, **more))
        try:
            yield answer
        finally:
            answer.close()

    def _in_my_name(
        self, method: str, path: str, pieces: Pieces | None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """The answer to a signed request; one token that is not good any more is replaced."""
        for last in (False, True):
            if time.monotonic() > self._ends:
                self._sign_in()
            signed = {"Authorization": f"Bearer {self._token}", **(headers or {})}
            answer = self._sent(method, path, pieces, headers=signed, **more)
            if last or answer.status_code != httpx.codes.UNAUTHORIZED:
                break
            answer.close()
            self._ends = 0.0
        return answer

    def _sign_in(self) -> None:
        answer = self._sent("POST", "/api/auth/login/", None, json=self._account)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            answer.close()
            raise NotNow(f"The shop does not know {self._account['username']} with this password; see --help.")
        told = self._good(answer)
        told.read()
        self._token, self._ends = told.json()["access_token"], time.monotonic() + told.json()["expires_in"] - EARLY_S

    def _sent(self, method: str, path: str, pieces: Pieces | None, **more: Any) -> httpx.Response:
        """The first answer that is not passing. Raises NotNow when there is none."""
        reason = ""
        for attempt in range(ATTEMPTS):
            pause = min(FIRST_PAUSE_S * 2.0**attempt, LONGEST_PAUSE_S)
            try:
                content = None if pieces is None else pieces()
                request = self._http.build_request(method, path, content=content, **more)
                answer = self._http.send(request, stream=True)
            except httpx.TransportError as error:
                reason = f"no answer ({type(error).__name__})"
            else:
                if not _is_passing(answer):
                    return answer
                reason, pause = str(answer.status_code), max(pause, _asked_wait(answer))
                answer.close()
            time.sleep(pause)
        raise NotNow(f"{self.url(path)} gives no good answer after {ATTEMPTS} attempts: {reason}.")

    def _good(self, answer: httpx.Response) -> httpx.Response:
        """The answer. Raises NotNow in its own words if it is a refusal."""
        if answer.is_success:
            return answer
        answer.read()
        answer.close()
        raise NotNow(f"The shop refuses it ({answer.status_code}): {_detail(answer)}.")


def _is_passing(answer: httpx.Response) -> bool:
    if answer.status_code == httpx.codes.CONFLICT:
        answer.read()
        return '"idempotency_in_progress"' in answer.text
    return answer.status_code in PASSING


def _asked_wait(answer: httpx.Response) -> float:
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_WAIT_S) if asked.isascii() and asked.isdigit() else 0.0


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return answer.text[:300] or answer.reason_phrase

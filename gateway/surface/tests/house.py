"""The platform under test: how to reach each service, who calls it, and what its sisters say when it asks them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import httpx
from fastapi import FastAPI
from redis import Redis
from sqlalchemy import select

from auth.models import Challenge, compared
from common.testing.badges import Badges
from common.testing.signing import KID, Signer
from common.testing.sisters import FakeSister

from .callers import Members, Mint, People, Visitors
from .services import SERVICES


class Client(httpx.Client):
    """Reads of an answer without an end no more than its begin."""

    def send(self, request: httpx.Request, *, stream: bool = False, **more: Any) -> httpx.Response:
        """The whole answer, or the begin of one that goes on."""
        answer = super().send(request, stream=True, **more)
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            next(answer.iter_raw())
            answer.close()
        elif not stream:
            answer.read()
        return answer


@dataclass(frozen=True)
class Platform:
    """Six services that run, with a connection and people for each."""

    apps: Mapping[str, FastAPI]
    urls: Mapping[str, str]
    http: Mapping[str, httpx.Client]
    people: Mapping[str, People]
    badges: Badges

    @classmethod
    @contextmanager
    def opened(
        cls, apps: Mapping[str, FastAPI], urls: Mapping[str, str], redis: Redis, signer: Signer, badges: Badges
    ) -> Iterator[Self]:
        """The platform with its connections, closed at the end."""
        with ExitStack() as stack:
            clients = [Client(base_url=urls[name], trust_env=False, timeout=30) for name in SERVICES]
            http = {name: stack.enter_context(client) for name, client in zip(SERVICES, clients, strict=True)}
            visitors = Visitors(Mint(signer.key, KID), redis)
            members = _members(apps["auth"], http["auth"])
            people = {name: members if name == "auth" else visitors for name in SERVICES}
            yield cls(apps, urls, http, people, badges)

    def challenge(self, purpose: str, email: str) -> Challenge:
        """What auth has last opened for an address."""
        return _challenge(self.apps["auth"], purpose, email)

    def mailed(self, purpose: str, email: str) -> str:
        """The secret that auth has last had mailed to an address."""
        return _mailed(self.apps["auth"], purpose, email)


def _members(auth: FastAPI, http: httpx.Client) -> Members:
    """Auth's people; beside its HTTP door the tests know its signing key and what it has mailed."""
    key = auth.state.signing.keys()[0]
    return Members(Mint(auth.state.signing._open(key), key.kid), http, auth.state.sessions, partial(_mailed, auth))


def _challenge(auth: FastAPI, purpose: str, email: str) -> Challenge:
    of_address = select(Challenge).where(Challenge.email_key == compared(email), Challenge.purpose == purpose)
    with auth.state.sessions.begin() as session:
        found: Challenge = session.scalars(of_address.order_by(Challenge.created_at.desc()).limit(1)).one()
        return found


def _mailed(auth: FastAPI, purpose: str, email: str) -> str:
    return str(auth.state.challenges.secret(_challenge(auth, purpose, email)))


def play_catalog(played: FakeSister) -> None:
    """A catalog that has every product in stock."""
    played.answer("GET", "/internal/products/", _brief)
    played.answer("POST", "/internal/reservations/", _hold)


def play_cart(played: FakeSister) -> None:
    """A cart service in which everybody has one thing."""
    played.answer("GET", "/internal/carts/", lambda *_: (200, {"items": [{"product_id": 1, "quantity": 1}]}))


def _brief(path: str, _: Any) -> tuple[int, Any]:
    params = httpx.URL(path).params
    if "ids" not in params:
        return 503, {}  # its list of everything is not here to be compared with
    shared = {"sku": None, "name": "Oil lamp", "price": "2.50", "currency": "EUR", "version": 1}
    product = {"id": int(params["ids"]), **shared, "status": "active", "availability": "in_stock"}
    return 200, {"products": [product]}


def _hold(_: str, body: Any) -> tuple[int, Any]:
    return 200, {"results": [_held(wish) for wish in body["reservations"]]}


def _held(wish: dict[str, Any]) -> dict[str, Any]:
    lines = [{**line, "sku": None, "name": "Oil lamp", "price": "2.50"} for line in wish["lines"]]
    return {"order_id": wish["order_id"], "outcome": "held", "lines": lines, "items": []}

"""The portal's view of the API: each service's OpenAPI document, asked for inside, and all of them as one."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

import httpx
import orjson

from common.replicas import split
from portal.giving import Made

ASK_S = 5.0
"""How long a service may take; it writes its document when it is first asked for."""
REMEMBER_S, REMEMBER_NONE_S = 30.0, 1.0
"""How long a document is given again, and how long that there is none."""
REFERENCE = re.compile(rb'"#/components/(?!securitySchemes/)(\w+)/')
Json = dict[str, Any]


class Documents:
    """Asks each service for `/openapi.json`; askers that come together share one question."""

    def __init__(self, services: Mapping[str, str]) -> None:
        self._services = dict(services)
        self._client = httpx.AsyncClient(timeout=ASK_S, trust_env=False)
        self._turns = {name: asyncio.Lock() for name in services}
        self._kept: dict[str, tuple[float, Made | None]] = {}
        self._merged: tuple[dict[str, Made], Made | None] = ({}, None)

    async def one(self, name: str) -> Made | None:
        """A service's document; None while it does not answer. KeyError for what is no service."""
        async with self._turns[name]:
            until, document = self._kept.get(name, (0.0, None))
            if monotonic() >= until:
                document = await self._ask(self._services[name])
                self._kept[name] = (monotonic() + (REMEMBER_S if document else REMEMBER_NONE_S), document)
        return document

    async def all(self) -> Made | None:
        """One document of every service that answers; it says which do not. None if nobody does.

        It is merged anew only when a document has changed, come or gone.
        """
        answers = dict(zip(self._services, await asyncio.gather(*map(self.one, self._services)), strict=True))
        found = {name: document for name, document in answers.items() if document}
        if found != self._merged[0]:
            whole = merge(
                {name: document.content for name, document in found.items()}, sorted(answers.keys() - found.keys())
            )
            self._merged = (found, Made(orjson.dumps(whole)) if found else None)
        return self._merged[1]

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def _ask(self, addresses: str) -> Made | None:
        """The document of the first replica that gives it."""
        for address in split(addresses):
            with suppress(httpx.HTTPError):
                answer = await self._client.get(f"{address}/openapi.json")
                if answer.status_code == httpx.codes.OK:
                    return Made(answer.content)
        return None


def merge(documents: Mapping[str, bytes], missing: list[str]) -> Json:
    """One document out of several, whose parts are named after their services; one sign-in is for all of them."""
    info = {"title": "Stoa", "version": "1", "description": "Every service behind the gateway."}
    if missing:
        info["description"] += f" Not here, for they do not answer: {', '.join(missing)}."
    paths: Json = {}
    components: dict[str, Json] = {}
    for name, text in documents.items():
        document = orjson.loads(REFERENCE.sub(rb'"#/components/\1/' + name.encode() + b".", text))
        paths |= document["paths"]
        for kind, parts in document.get("components", {}).items():
            prefix = "" if kind == "securitySchemes" else f"{name}."
            components.setdefault(kind, {}).update({prefix + part: body for part, body in parts.items()})
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components, "x-missing": missing}

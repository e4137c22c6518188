"""The replies' tests: an answer is given again as it was, and a known version is not sent twice."""

import json

import pytest
from pydantic import BaseModel
from starlette.requests import Request

from common.errors import Conflict
from common.idempotency import Answer
from common.replies import reply, tagged

pytestmark = pytest.mark.unit


class Chair(BaseModel):
    legs: int


def asked(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw, "state": {"request_id": "now"}})


@pytest.mark.parametrize("replayed", [False, True])
def test_an_answer_is_given_again_as_it_was(replayed: bool) -> None:
    answer = reply(asked(), Answer(201, {"legs": 4}, {"Location": "/api/chairs/1/"}, replayed))
    assert (answer.status_code, json.loads(bytes(answer.body))) == (201, {"legs": 4})
    assert answer.headers["location"] == "/api/chairs/1/"
    assert answer.headers.get("idempotent-replayed") == ("true" if replayed else None)


def test_a_refusal_that_is_given_again_carries_the_present_requests_id() -> None:
    stored = Answer(409, Conflict("no chair is left", code="sold_out").body("then"), replayed=True)
    answer = reply(asked(), stored)
    body = json.loads(bytes(answer.body))
    assert (answer.status_code, answer.media_type) == (409, "application/problem+json")
    assert (body["code"], body["request_id"]) == ("sold_out", "now")


@pytest.mark.parametrize(
    ("known", "status"),
    [('"v1"', 304), ('W/"v1"', 304), ('"v0", "v1"', 304), ("*", 304), ('"v2"', 200), ("", 200), ("v1", 200)],
)
def test_a_version_that_is_known_is_not_sent_again(known: str, status: int) -> None:
    answer = tagged(asked(if_none_match=known), '"v1"', Chair(legs=4))
    assert (answer.status_code, answer.headers["etag"]) == (status, '"v1"')
    assert bytes(answer.body) == (b'{"legs":4}' if status == 200 else b"")

"""The API page tells what each route may answer, by who may knock and what it takes."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Header

from common.app import Service
from common.fields import Body
from common.knocking import Admin, CurrentUser, IdempotencyKey, Visitor
from common.pagination import ListParams
from common.settings import Settings

pytestmark = pytest.mark.unit

NOWHERE = "mysql+pymysql://nobody@127.0.0.1:1/nothing"
router = APIRouter(prefix="/api/toys")


class Toy(Body):
    name: str


@router.get("/")
def list_toys(visitor: Visitor, query: ListParams) -> dict[str, Any]:
    return {}


@router.post("/", responses={409: {"description": "`taken`"}})
def add_toy(admin: Admin, toy: Toy, key: IdempotencyKey) -> dict[str, Any]:
    return {}


@router.patch("/{toy_id}/")
def mend_toy(user: CurrentUser, toy_id: int, if_match: Annotated[str | None, Header()] = None) -> dict[str, Any]:
    return {}


@router.get("/count/", responses={429: {"description": "Slowly"}})
def count_toys() -> int:
    return 0


@pytest.fixture(scope="module")
def app() -> FastAPI:
    settings = Settings(database_url=NOWHERE, broker_url="amqp://127.0.0.1:1/", redis_url="redis://127.0.0.1:1/0")
    return Service("toys", settings).app([router])


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    document: dict[str, Any] = app.openapi()
    return document


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/api/toys/", "200 400 401 404 503"),
        ("post", "/api/toys/", "200 400 401 403 409 413 422 503"),
        ("patch", "/api/toys/{toy_id}/", "200 400 401 404 412 503"),
        ("get", "/api/toys/count/", "200 400 429 503"),
    ],
)
def test_a_route_names_the_refusals_that_its_arguments_make_possible(
    document: dict[str, Any], method: str, path: str, statuses: str
) -> None:
    assert list(document["paths"][path][method]["responses"]) == statuses.split()


def test_a_public_route_takes_a_token_and_does_not_need_one(document: dict[str, Any]) -> None:
    toys = document["paths"]["/api/toys/"]
    assert toys["get"]["security"] == [{}, {"bearer": []}]
    assert toys["post"]["security"] == [{"bearer": []}]
    assert "security" not in document["paths"]["/api/toys/count/"]["get"]


def test_every_refusal_is_a_problem_and_has_its_headers(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                assert "X-Request-ID" in response["headers"]
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"]
                assert ("WWW-Authenticate" in response["headers"]) == (status == "401")
                assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))


def test_what_a_route_says_itself_stays(document: dict[str, Any]) -> None:
    assert document["paths"]["/api/toys/"]["post"]["responses"]["409"]["description"] == "`taken`"


def test_the_frameworks_own_422_is_gone(document: dict[str, Any]) -> None:
    assert "ValidationError" not in str(document)
    assert set(document["components"]["schemas"]) == {"Toy", "Problem"}


def test_the_document_is_completed_once(app: FastAPI, document: dict[str, Any]) -> None:
    assert app.openapi() is document

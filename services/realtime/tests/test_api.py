"""The snapshot over HTTP."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from common.events.orders import OrderPlaced
from common.testing.broker import Broker
from common.testing.waiting import eventually

PATH = "/api/realtime/products/"


def test_the_snapshot_holds_what_has_ever_been_sold(
    client: TestClient, broker: Broker, product: int, placed: Callable[[dict[int, int]], OrderPlaced]
) -> None:
    broker.tell(placed({product: 2}))
    eventually(lambda: {"id": product, "sold_count": 2} in client.get(PATH).json()["data"])
    answer = client.get(PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"stream", "seq", "data"}
    assert answer.json()["seq"] >= 1


def test_what_is_asked_for_and_was_never_sold_counts_nothing(client: TestClient, product: int) -> None:
    answer = client.get(PATH, params={"ids": f"{product},{product},7"})
    assert answer.json()["data"] == [{"id": product, "sold_count": 0}, {"id": 7, "sold_count": 0}]


def test_the_path_is_served_without_its_closing_slash(client: TestClient) -> None:
    assert client.get(PATH.rstrip("/"), follow_redirects=False).status_code == 200


@pytest.mark.parametrize(
    "ids", ["", ",", "1,", "a", "-1", "0", "1.5", "1 2", "٣", "9" * 30, "1;2", ",".join(["1"] * 101), "1%00"]
)
def test_bad_ids_are_400(client: TestClient, ids: str) -> None:
    answer = client.get(PATH, params={"ids": ids})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "ids" in answer.json()["errors"]


def test_an_unknown_parameter_is_400(client: TestClient) -> None:
    answer = client.get(PATH, params={"id": "1"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", PATH, 405), ("GET", "/api/realtime/", 404), ("GET", "/ws/products/", 404), ("GET", PATH + "1/", 404)],
)
def test_other_doors_are_closed_with_a_problem(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_service_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json() == {"status": "ok", "checks": {"database": "ok", "redis": "ok"}}
    assert "stoa_realtime_listeners" in client.get("/metrics").text

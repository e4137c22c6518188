"""The gateway's access log: every answer can be found by its request id, and no secret can be found at all."""

import pytest
from websockets.sync.client import connect

from common.testing.waiting import eventually

from .fronting import fronting

FIELDS = {"StartUTC", "ClientHost", "RequestMethod", "RequestPath", "DownstreamStatus", "Duration", "RouterName"}


def _line_of(front, request_id):
    """The line that names this id, of the request or of the answer."""

    def look():
        return [line for line in front.access_log if request_id in line.values()]

    found = eventually(look)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("given", [None, "thread-of-ariadne.1"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("TRACE", "/api/cart/", 405),
        ("GET", "/api/health/", 200),
        ("POST", "/api/auth/login/", 413),
    ],
)
def test_an_answer_is_found_by_its_id_whoever_made_that(front, method, path, status, given):
    headers = {"X-Request-ID": f"{given}.{method}.{status}"} if given else {}
    content = b"x" * 20_000 if status == 413 else None
    answer = front.http.request(method, path, headers=headers, content=content)
    line = _line_of(front, answer.headers["x-request-id"])
    assert (line["RequestMethod"], line["RequestPath"], line["DownstreamStatus"]) == (method, path, status)
    assert line.keys() >= FIELDS


def test_a_limit_and_a_dead_service_are_found_by_their_id_too(tmp_path):
    with fronting(tmp_path, STOA_LIMIT_REGISTER_PER_MINUTE="1", STOA_LIMIT_REGISTER_BURST="1") as front:
        answers = [front.http.post("/api/auth/register/") for _ in range(2)]
        answers.append(front.http.post("/api/orders/?break"))
        assert [answer.status_code for answer in answers] == [200, 429, 503]
        for answer in answers[1:]:
            assert _line_of(front, answer.headers["x-request-id"])["DownstreamStatus"] == answer.status_code


def test_no_secret_is_in_the_log(front):
    secrets = [f"secret-{number}" for number in range(6)]
    headers = {"Authorization": f"Bearer {secrets[0]}", "Cookie": secrets[1], "X-Cart-Token": secrets[2]}
    for path in ("/api/cart/", "/nowhere", "/api/health/"):
        front.http.get(f"{path}?ticket={secrets[3]}&token={secrets[4]}", headers=headers)
    front.http.post("/api/auth/login/", json={"password": secrets[5]}, headers=headers)
    with connect(f"{front.sockets}/ws/orders/?ticket={secrets[3]}", proxy=None, additional_headers=headers):
        pass
    answer = front.http.get(f"/api/cart/?token={secrets[4]}", headers=headers | {"X-Request-Id": "the-last-one"})
    assert answer.status_code == 200
    assert _line_of(front, "the-last-one")["RequestPath"] == "/api/cart/"
    eventually(lambda: any(line["RequestPath"] == "/ws/orders/" for line in front.access_log))
    text = front.gateway.log.read_text()
    assert [secret for secret in secrets if secret in text] == []


def test_what_operators_ask_is_not_among_the_clients_requests(front):
    assert front.gateway.ready()
    answer = front.http.get("/nowhere")
    _line_of(front, answer.headers["x-request-id"])
    assert not [line for line in front.access_log if line["RequestPath"].startswith("/api/http/")]

"""How much one client may ask of the gateway, and in which words it is told that this is enough."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from common.testing.waiting import eventually
from stoa.settings import Settings

from .fronting import fronting, problem

NARROW = {
    "STOA_LIMIT_LOGIN_PER_MINUTE": "1",
    "STOA_LIMIT_LOGIN_BURST": "7",
    "STOA_LIMIT_OTP_PER_MINUTE": "2",
    "STOA_LIMIT_OTP_BURST": "4",
    "STOA_LIMIT_REGISTER_PER_MINUTE": "3",
    "STOA_LIMIT_REGISTER_BURST": "2",
    "STOA_LIMIT_UPLOAD_PER_MINUTE": "4",
    "STOA_LIMIT_UPLOAD_BURST": "3",
    "STOA_LIMIT_IN_FLIGHT": "3",
    "STOA_LIMIT_SOCKETS": "2",
}
"""At most one token comes back within 15 s, long after the requests of a test are through."""
CLASSES = {
    "sign-in": (
        [f"POST /api/auth/{name}/" for name in ("login", "change-password", "password-reset", "verify-email")]
        + ["POST /api/auth/password-reset/confirm/", "PATCH /api/auth/me/", "POST /api/auth/login"],
        7,
        60,
    ),
    "otp": (["POST /api/auth/request-otp/", "POST /api/auth/verify-otp/", "POST /api/auth/request-otp"], 4, 30),
    "register": (["POST /api/auth/register/", "POST /api/auth/register"], 2, 20),
    "upload": (["POST /api/products/bulk-upload/", "POST /api/products/bulk-upload"], 3, 15),
}
"""What is asked, how many requests pass at once, and the seconds until the next one."""


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """Each test exhausts a limit that no other one needs."""
    with fronting(tmp_path_factory.mktemp("narrow"), **NARROW) as front:
        yield front


@pytest.mark.parametrize(("asked", "burst", "wait"), CLASSES.values(), ids=CLASSES)
def test_each_class_has_a_limit_of_its_own_whatever_path_is_asked_and_address_claimed(narrow, asked, burst, wait):
    def ask(number):
        claimed = {"X-Forwarded-For": f"9.9.9.{number}", "X-Real-Ip": f"9.9.8.{number}"}
        return narrow.http.request(*asked[number % len(asked)].split(), headers=claimed)

    narrow.forget()
    answers = [ask(number) for number in range(burst + 2)]
    assert [answer.status_code for answer in answers] == [200] * burst + [429, 429]
    problem(answers[-1], 429, "too_many_requests")
    assert answers[-1].headers["retry-after"] == str(wait)
    assert sum(map(len, narrow.heard().values())) == burst
    assert narrow.http.get("/api/auth/me/").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/api/auth/login/", "/api/auth/verify-otp/", "/api/auth/register/", "/api/auth/refresh/"]
    + ["/api/products/bulk-upload/"],
)
def test_a_services_own_429_keeps_its_words(default_front, path):
    answer = default_front.http.post(f"{path}?code=429")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "77")
    assert answer.json()["service"] in ("auth", "catalog")


def test_too_many_requests_of_any_kind_are_a_problem_and_reach_nobody(tmp_path):
    paths = ["/api/cart/", "/api/orders/", "/api/auth/me/", "/api/realtime/top/", "/api/nowhere/", "/api/health/"]
    figures = {"STOA_LIMIT_GENERAL_PER_SECOND": "1", "STOA_LIMIT_GENERAL_BURST": "30"}
    with fronting(tmp_path, **figures) as front:
        answers = [front.http.request(method, path) for path in paths * 4 for method in ("GET", "POST")]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert all(answer.status_code == 429 for answer in answers[-2:])
        for answer in refused:
            problem(answer, 429, "too_many_requests")
            assert answer.headers["retry-after"] == "1"
        served = [answer for answer in answers if answer.status_code == 200 and "service" in answer.json()]
        assert sum(map(len, front.heard().values())) == len(served)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_has_only_so_many_requests_worked_on_at_once(narrow, method):
    cart = narrow.services["cart"]
    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(_ask, narrow, method, "/api/cart/?hold") for _ in range(3)]
        eventually(lambda: cart.held == 3)
        refused = narrow.http.request(method, "/api/cart/")
        problem(refused, 429, "too_many_requests")
        assert refused.headers["retry-after"] == "1"
        assert narrow.http.request(method, "/api/orders/").status_code == 200
        cart.release()
        assert [one.result() for one in held] == [200, 200, 200]
    assert eventually(lambda: narrow.http.request(method, "/api/cart/").status_code == 200)


def test_a_client_holds_only_so_many_sockets_open(narrow):
    with ExitStack() as open_ones:
        sockets = [open_ones.enter_context(connect(f"{narrow.sockets}/ws/products/", proxy=None)) for _ in range(2)]
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{narrow.sockets}/ws/products/", proxy=None)
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["retry-after"] == "1"
        sockets[0].send("still there")
        assert sockets[0].recv() == "still there"
    with eventually(lambda: _connected(narrow)) as socket:
        socket.send("again")
        assert socket.recv() == "again"


def test_the_figures_that_hold_without_variables_are_those_of_the_settings(default_front):
    settings = Settings(_env_file=None)
    held = {entry["name"].removesuffix("@file"): entry for entry in default_front.reported("middlewares")}
    for name in ("login", "otp", "register", "upload"):
        rate = held[f"limit-{name}"]["rateLimit"]
        wanted = (getattr(settings, f"limit_{name}_per_minute"), getattr(settings, f"limit_{name}_burst"))
        assert (rate["average"], rate["burst"], rate["period"]) == (*wanted, "1m0s")
    general = held["limit-general"]["rateLimit"]
    assert (general["average"], general["burst"]) == (settings.limit_general_per_second, settings.limit_general_burst)
    assert held["in-flight"]["inFlightReq"]["amount"] == settings.limit_in_flight
    assert held["open-sockets"]["inFlightReq"]["amount"] == settings.limit_sockets
    assert held["normal-body"]["buffering"]["maxRequestBodyBytes"] == settings.max_body_bytes
    assert held["small-body"]["buffering"]["maxRequestBodyBytes"] == settings.max_auth_body_bytes


def test_lifted_limits_are_lifted_all(front):
    paths = ("/api/auth/login/", "/api/auth/request-otp/", "/api/auth/register/", "/api/products/bulk-upload/")
    for path in paths:
        assert Counter(front.http.post(path).status_code for _ in range(25)) == {200: 25}
    with ExitStack() as open_ones:
        for _ in range(25):
            open_ones.enter_context(connect(f"{front.sockets}/ws/products/", proxy=None))


def _ask(front, method, path):
    return httpx.request(method, f"{front.url}{path}", timeout=60, trust_env=False).status_code


def _connected(front):
    try:
        return connect(f"{front.sockets}/ws/products/", proxy=None)
    except InvalidStatus:
        return None

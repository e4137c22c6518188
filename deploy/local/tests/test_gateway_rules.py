"""The routes as Traefik itself reports them: no rule, however it came about, opens what is not for clients."""

import re
from dataclasses import dataclass

import pytest

from stoa.faring import PREFIXES

HIDDEN = [
    *("/internal", "/internal/", "/internal/reservations/", "/metrics", "/metrics/", "/readyz", "/healthz", "/livez"),
    *("/openapi.json", "/docs/openapi", "/redoc", "/ping", "/dashboard/"),
    *("/api/overview", "/api/rawdata", "/api/http/routers"),
    *(
        "/limits/upload",
        "/problems/503",
        "/unavailable/",
        "/static/",
        "/static/portal.py",
        "/api",
        "/api/",
        "/ws",
        "/ws/",
        "/INTERNAL/x",
        "/API/cart/",
    ),
    *("//internal/x/", "/./internal/", "/api/internal/", "/api/../internal/", "/internal%2fx", "/api//internal/"),
]
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"]
OWNED = [*PREFIXES.values(), "/api/webhooks"]
OWN_PAGES = {"page-404@file", "page-426@file", "page-fine@file"}
PAGES = {"account-pages@file", "pages@file"}
"""Those whose content security policy is the page's own."""
LIMITS = {"ask-upload@file"}
"""The one limit that is a middleware; the others are services."""


@dataclass(frozen=True)
class Rule:
    """A Traefik rule that can be asked whether it matches."""

    text: str

    def matches(self, method: str, path: str) -> bool:
        tests = {
            "Path": lambda wanted: path == wanted,
            "PathPrefix": path.startswith,
            "PathRegexp": lambda pattern: re.search(pattern, path) is not None,
            "Method": lambda wanted: method == wanted,
        }
        python = self.text.replace("&&", " and ").replace("||", " or ").replace("!", " not ")
        python = re.sub(r"`([^`]*)`", lambda quoted: repr(quoted[1]), python)
        return bool(eval(python, {"__builtins__": {}}, tests))  # noqa: S307 - our own routes


def _public(front):
    return [router for router in front.reported("routers") if "web" in router["entryPoints"]]


def _owned(front):
    return [router for router in _public(front) if not OWN_PAGES & set(router["middlewares"])]


def test_the_rules_are_read_right():
    rule = Rule("(Path(`/a`) || PathPrefix(`/a/`)) && !Method(`GET`) && !PathRegexp(`^/a/[0-9]+$`)")
    asked = [("POST", "/a"), ("POST", "/a/b"), ("GET", "/a"), ("POST", "/ab"), ("POST", "/a/7")]
    assert [rule.matches(*one) for one in asked] == [True, True, False, False, False]


def test_every_router_is_in_use_and_none_is_on_two_entry_points(default_front):
    routers = default_front.reported("routers")
    assert {router["status"] for router in routers} == {"enabled"}
    assert {tuple(router["entryPoints"]) for router in routers} == {("web",), ("ops",)}


def test_what_operators_have_is_on_their_own_entry_point_only(default_front):
    inside = [router for router in default_front.reported("routers") if router["entryPoints"] == ["ops"]]
    assert {router["name"] for router in inside} >= {"dashboard@file", "ping@internal", "prometheus@internal"}
    assert not [router["name"] for router in _public(default_front) if "internal" in router["service"]]


@pytest.mark.parametrize("method", METHODS)
def test_no_public_rule_matches_what_is_hidden(default_front, method):
    open_doors = [
        (router["name"], path)
        for router in _owned(default_front)
        for path in HIDDEN
        if Rule(router["rule"]).matches(method, path)
    ]
    assert open_doors == []


def test_the_pages_for_everything_else_lead_to_the_portal_and_nowhere_else(default_front):
    pages = [router for router in _public(default_front) if OWN_PAGES & set(router["middlewares"])]
    assert {router["name"] for router in pages} == {"nothing@file", "odd-methods@file"}
    assert {router["service"] for router in pages} <= {"portal", "portal-within-limits"}
    assert all(router["middlewares"][-1] in OWN_PAGES for router in pages)


@pytest.mark.parametrize("prefix", OWNED)
@pytest.mark.parametrize("method", METHODS[:7])
def test_a_prefix_ends_at_a_path_boundary(default_front, prefix, method):
    def owners(path):
        return [one["name"] for one in _owned(default_front) if Rule(one["rule"]).matches(method, path)]

    assert owners(prefix)
    assert owners(f"{prefix}/")
    assert owners(f"{prefix}/x/y/")
    for beside in ("x", "x/", "-internal/", ".json", "%2f", ";/x", "..;/"):
        assert owners(prefix + beside) == []


def test_every_public_request_passes_the_threshold_a_limit_and_the_pages_for_what_fails(default_front):
    for router in _public(default_front):
        passed = router["middlewares"]
        assert passed[0] == "threshold@file", router["name"]
        assert "problems@file" in passed, router["name"]
        assert ("sealed@file" in passed) != (router["name"] in PAGES), router["name"]
        limited = "-within-" in router["service"] or LIMITS & set(passed) or router["name"] == "odd-methods@file"
        assert limited, router["name"]


def test_every_service_between_a_router_and_its_replicas_is_reached_through_its_limit(default_front):
    services = {one["name"].removesuffix("@file"): one for one in default_front.reported("services")}
    for name, service in services.items():
        limit, found, wanted = name.partition("-within-")
        if found:
            chain = service["failover"]
            assert chain["fallback"].removesuffix("@file") == limit
            gate = services[chain["service"].removesuffix("@file")]
            assert gate["loadBalancer"].get("servers", []) == []
            assert gate["middlewares"], wanted


def test_only_reads_are_sent_again(default_front):
    for router in _owned(default_front):
        if "once-more@file" in router["middlewares"]:
            writes = [method for method in METHODS if Rule(router["rule"]).matches(method, "/api/orders/")]
            assert set(writes) <= {"GET", "HEAD", "OPTIONS"}, router["name"]

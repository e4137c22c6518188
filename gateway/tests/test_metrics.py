"""What the page on metrics says of each name is what the running services tell, and the names of others are there."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as families_in

from stoa.servers import SCHEMAS
from stoa.settings import ROOT

from .site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAGE = (ROOT / "docs" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(stoa_\w+)` \| (\w+) \| ([\w, ]*) ?\| ([\w, ]+) \|", re.MULTILINE)
OTHERS = re.findall(r"^\| `((?:rabbitmq|traefik)_\w+)` \|", PAGE, re.MULTILINE)
RULES = yaml.safe_load((ROOT / "deploy/observability/alerts.yaml").read_text())["groups"][0]["rules"]
SELECTOR = re.compile(r"\b((?:stoa|rabbitmq|traefik)_\w+)(\{[^}]*\})?")
MATCHER = re.compile(r'(\w+)(=~?)"([^"]*)"')


class Family(NamedTuple):
    """A name with its type, and the labels of its samples."""

    name: str
    type: str
    labels: frozenset[str]


def _documented(service: str) -> set[Family]:
    return {
        Family(name, kind, frozenset(filter(None, labels.replace(" ", "").split(","))))
        for name, kind, labels, told_by in ROW.findall(PAGE)
        if told_by == "all" or service in told_by.split(", ")
    }


def _told(text: str) -> Iterator[Family]:
    """Families that are ours. `le` belongs to the type; `_created` is the library's own."""
    for family in families_in(text):
        if family.name.startswith("stoa_") and not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Family(name, family.type, frozenset(label for it in family.samples for label in it.labels) - {"le"})


@pytest.mark.parametrize("service", SCHEMAS)
def test_a_service_tells_what_is_written_of_it_and_nothing_else(site: Site, service: str) -> None:
    documented = {family.name: family for family in _documented(service)}
    told = {family.name: family for family in _told(site.metrics(service))}
    assert told.keys() == documented.keys()
    assert {name: it.type for name, it in told.items()} == {name: it.type for name, it in documented.items()}
    sampled = {name: it.labels for name, it in told.items() if it.labels}
    assert sampled == {name: documented[name].labels for name in sampled}


def test_what_is_in_the_tables_is_told_with_its_labels(site: Site) -> None:
    """These have samples from the first question on, so that nothing above has passed for want of any."""
    for service, name in (("catalog", "stoa_catalog_imports"), ("notifier", "stoa_notifier_mails")):
        told = {it.name: it for it in _told(site.metrics(service))}
        assert told[name].labels == {"service", "state"}


def test_the_names_of_others_that_the_page_gives_are_told_too(site: Site) -> None:
    told = "".join(_told_by_all(site))
    assert len(OTHERS) >= 4
    assert [name for name in OTHERS if not re.search(rf"^{name}(_bucket)?\{{", told, re.MULTILINE)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_what_an_alert_asks_for_is_there(site: Site, rule: dict[str, str]) -> None:
    """An alert whose selector fits nothing would be quiet for ever. Codes of errors are what a healthy stack lacks."""
    told = [it for text in _told_by_all(site) for family in families_in(text) for it in family.samples]
    for name, matchers in SELECTOR.findall(rule["expr"]):
        wanted = {label: re.compile(value) for label, _, value in MATCHER.findall(matchers) if label != "code"}
        fitting = [it for it in told if it.name == name and all(w.fullmatch(it.labels[n]) for n, w in wanted.items())]
        assert fitting, f"{name}{matchers}"


def _told_by_all(site: Site) -> list[str]:
    return [site.metrics(name) for name in (*SCHEMAS, "rabbitmq", "gateway")]

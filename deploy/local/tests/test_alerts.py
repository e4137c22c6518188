"""The alerts for Prometheus: each fires when it should and only then, says what to do, and asks for what is there."""

import re

import pytest
import yaml

from stoa.servers import SCHEMAS
from stoa.settings import ROOT, Settings

pytestmark = pytest.mark.unit

FOLDER = ROOT / "deploy" / "observability"
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
TESTS = yaml.safe_load((FOLDER / "alerts_test.yaml").read_text())["tests"]
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
WORDS = {"by", "and", "or", "unless", "le"}
"""What stands in an expression like a name and is none."""


def names_in(expression):
    """The metrics that an expression asks for."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|by \([^)]*\)', " ", expression)
    return set(re.findall(r"[a-z_]{2,}(?![a-z_]*\s*\()", bare)) - WORDS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_leads_to_what_is_to_be_done(rule):
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
    section = re.search(rf"^### {rule['alert']}\n\n(.+?)(?=\n##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert len(section[1].split()) > 20


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_the_page_on_metrics_explains(rule):
    explained = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    names = {name.removesuffix("_bucket") for name in names_in(rule["expr"])}
    assert names
    assert names - explained == set()


def test_each_alert_is_tried_on_what_it_is_for_and_on_a_healthy_stack():
    done = [check for test in TESTS for check in test["alert_rule_test"]]
    checks = [(check["alertname"], bool(check.get("exp_alerts"))) for check in done]
    names = [rule["alert"] for rule in RULES]
    assert sorted(checks) == sorted((name, fires) for name in names for fires in (False, True))


def test_every_process_that_tells_anything_is_asked():
    jobs = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]
    listeners = {name: name for name in (*SCHEMAS, "portal")}
    listeners |= {"gateway": "gateway operations", "rabbitmq": "rabbitmq metrics"}
    settings = Settings(_env_file=None)
    assert {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs} == {
        job: [f"127.0.0.1:{settings.port_of(listener)}"] for job, listener in listeners.items()
    }

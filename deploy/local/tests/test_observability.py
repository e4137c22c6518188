"""The profile `observability` of the containers: what Prometheus is to ask there, and the dashboard of Grafana."""

import json
import re
import shutil
import subprocess
from itertools import product

import pytest
import yaml

from stoa.settings import ROOT

from .test_alerts import names_in

pytestmark = pytest.mark.unit

FOLDER = ROOT / "deploy" / "observability"
GRAFANA = FOLDER / "grafana"
NATIVE = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
CONTAINERS = yaml.safe_load((FOLDER / "prometheus.containers.yaml").read_text())
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
SOURCES = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "stoa.yaml").read_text())["datasources"]
METRICS = (ROOT / "docs" / "metrics.md").read_text()
PAGE = (ROOT / "docs" / "observability.md").read_text()
BOARD = json.loads((GRAFANA / "dashboards" / "stoa.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
TARGETS = [
    pytest.param(target, id=f"{panel['title']} {target['refId']}") for panel in PANELS for target in panel["targets"]
]
ALONE = {"gateway": "gateway:8081", "rabbitmq": "rabbitmq:15692"}
"""Of these there is one, whose name always leads to it."""
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="`make check-alerts` brings promtool")


def test_the_containers_are_asked_the_same_as_the_native_stack():
    def asked(config):
        return [(job["job_name"], job.get("metrics_path"), job.get("params")) for job in config["scrape_configs"]]

    assert asked(CONTAINERS) == asked(NATIVE)
    assert [CONTAINERS[key] for key in ("global", "rule_files")] == [NATIVE[key] for key in ("global", "rule_files")]


@pytest.mark.parametrize("job", CONTAINERS["scrape_configs"], ids=lambda job: job["job_name"])
def test_every_replica_is_asked_and_the_name_so_that_the_last_is_missed(job):
    name = job["job_name"]
    assert name in COMPOSE
    if name in ALONE:
        assert job["static_configs"] == [{"targets": [ALONE[name]]}]
        return
    [found] = job["dns_sd_configs"]
    assert (found["names"], found["type"], found["port"]) == ([name], "A", 8000)
    assert job["static_configs"] == [{"targets": [f"{name}:8000"], "labels": {"asked": "by name"}}]
    assert job["metric_relabel_configs"] == [{"source_labels": ["asked"], "regex": "by name", "action": "drop"}]


def test_grafana_asks_where_prometheus_and_jaeger_are():
    assert {source["type"]: source["url"] for source in SOURCES} == {
        "prometheus": "http://prometheus:9090",
        "jaeger": "http://jaeger:16686",
    }
    assert [source["type"] for source in SOURCES if source.get("isDefault")] == ["prometheus"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_asks_a_source_that_is_there(panel):
    assert panel["title"]
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    known = [{"type": source["type"], "uid": source["uid"]} for source in SOURCES]
    assert all(part["datasource"] in known for part in (panel, *panel["targets"]))


@pytest.mark.parametrize("target", TARGETS)
def test_a_panel_asks_for_what_the_page_on_metrics_explains(target):
    explained = set(re.findall(r"^\| `(\w+)` \|", METRICS, re.MULTILINE))
    kinds = tuple(re.findall(r"`([a-z]+_)\*`", METRICS))
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names_in(target["expr"])}
    assert names
    assert {name for name in names - explained if not name.startswith(kinds)} == set()


@pytest.mark.parametrize("target", TARGETS)
def test_a_legend_names_labels_that_are_left(target):
    left = {label for labels in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in labels.split(", ")}
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= left


def test_no_panel_covers_another():
    cells = []
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells += product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_an_alert_that_a_panel_speaks_of_is_there():
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
    spoken_of = [name for panel in PANELS for name in re.findall(r"Alert: (\w+)", panel["description"])]
    assert spoken_of
    assert set(spoken_of) <= {rule["alert"] for rule in rules}


def test_the_page_on_observability_says_what_each_row_answers():
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    section = PAGE.split("\n## In containers\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| \*\*(.+?)\*\* \|", section, re.MULTILINE) == rows


@needs_promtool
def test_prometheus_itself_agrees():
    assert promtool("check", "config", str(FOLDER / "prometheus.containers.yaml")) == ""


@needs_promtool
def test_prometheus_understands_what_the_panels_ask(tmp_path):
    questions = [target["expr"].replace("$__rate_interval", "1m") for panel in PANELS for target in panel["targets"]]
    rules = [{"record": f"question:{number}", "expr": expr} for number, expr in enumerate(questions)]
    file = tmp_path / "questions.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert promtool("check", "rules", str(file)) == ""


def promtool(*words):
    """What it objects to."""
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr

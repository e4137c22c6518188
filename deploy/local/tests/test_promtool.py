"""The alerts for Prometheus as Prometheus itself reads them; `make test` brings what reads them."""

import shutil
import subprocess

import pytest

from stoa.settings import ROOT

FOLDER = ROOT / "deploy" / "observability"


@pytest.mark.parametrize(
    "words", ["check config prometheus.yaml prometheus.containers.yaml", "test rules alerts_test.yaml"]
)
def test_prometheus_itself_agrees(words):
    assert shutil.which("promtool"), "promtool is not installed; `make check-alerts` brings it"
    done = subprocess.run(["promtool", *words.split()], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

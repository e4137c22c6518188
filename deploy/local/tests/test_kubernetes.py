"""The description for Kubernetes: the same processes as natively, and nobody may do more than they must."""

import re

import pytest
import yaml

from stoa.credentials import read_credentials
from stoa.servers import SCHEMAS
from stoa.settings import ROOT, Settings
from stoa.stack import SERVICES, Stack

pytestmark = pytest.mark.unit

K8S = ROOT / "deploy" / "k8s"
BY_SECRET = {"STOA_DATABASE_URL", "STOA_BROKER_URL", "STOA_REDIS_URL", "STOA_SERVICE_KEY", "STOA_SISTER_KEYS"}
BY_OWN_SECRET = {"auth": {"STOA_SECRET_KEY"}, "notifier": {"STOA_WEBHOOK_KEY", "STOA_SMTP_URL"}}
PROCESSES = {*SCHEMAS, "portal", "gateway"}


def documents(*folders):
    paths = (path for folder in folders for path in sorted((K8S / folder).glob("*.yaml")))
    return [one for path in paths for one in yaml.safe_load_all(path.read_text()) if isinstance(one, dict)]


def of_kind(kind, *folders):
    return {one["metadata"]["name"]: one for one in documents(*folders) if one.get("kind") == kind}


def kustomization(folder):
    return yaml.safe_load((K8S / folder / "kustomization.yaml").read_text())


def settings_of(folder, name):
    found = next(one for one in kustomization(folder)["configMapGenerator"] if one["name"] == name)
    return dict(literal.split("=", 1) for literal in found["literals"])


def container(one):
    return one["spec"]["template"]["spec"]["containers"][0]


@pytest.fixture
def native(tmp_path, monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STOA_{name.upper()}", raising=False)
    settings = Settings(run=tmp_path, _env_file=None)
    return Stack(settings, read_credentials(settings), {})


def test_it_has_the_same_processes_as_the_native_stack():
    workers = {f"{one.name}-worker" for one in SERVICES if one.worker}
    deployments = {name for name in of_kind("Deployment", "base") if not name.startswith("every-")}
    assert deployments == PROCESSES | workers
    assert {f"{name}-migration" for name in SCHEMAS} | {"every-migration"} == of_kind("Job", "base").keys()
    assert of_kind("Service", "base").keys() == PROCESSES


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_service_is_given_every_variable_that_it_has_natively(native, name):
    wanted = {key for key in native.service_environment(name) if key.startswith("STOA_")}
    told = settings_of("base", "settings").keys() | BY_SECRET | BY_OWN_SECRET.get(name, set())
    main = container(of_kind("Deployment", "base")[name])
    assert wanted <= told | {one["name"] for one in main.get("env", [])}
    assert {"secretRef": {"name": name}} in main["envFrom"]


def test_the_gateway_is_told_the_same_figures_as_natively(native):
    told = settings_of("base", "gateway-settings")
    figures = {name: value for name, value in native.gateway.variables.items() if not name.endswith("_SERVERS")}
    assert figures.keys() <= told.keys()
    assert {name for name in figures if told[name] != figures[name]} <= {"STOA_ENV", "STOA_TLS_CERT", "STOA_TLS_KEY"}


def test_workers_have_the_same_options_as_natively():
    for one in SERVICES:
        if one.worker:
            worker = of_kind("Deployment", "base")[f"{one.name}-worker"]
            assert " ".join(one.worker) in " ".join(container(worker)["command"])


def test_whoever_asks_a_sister_may_and_nobody_else():
    asked = {("gateway", name) for name in PROCESSES - {"gateway"}} | {("portal", name) for name in SCHEMAS}
    asked |= {(name, "auth") for name in SCHEMAS if name != "auth"}  # keys of tokens, sessions that ended
    for name in SCHEMAS:
        text = "".join(path.read_text() for path in (ROOT / "services" / name / name).rglob("*.py"))
        asked |= {(name, sister) for sister in re.findall(r"settings\.([a-z]+)_url", text) if sister in SCHEMAS}
    received, sent = allowed()
    assert received == asked
    assert sent == asked


def allowed():
    """The pairs that the policies allow inside, as the one who is asked says it and as the one who asks does."""
    received, sent = set(), set()
    for name, one in of_kind("NetworkPolicy", "base").items():
        way, _, who = name.partition("-")
        if way == "to" and who in PROCESSES:
            received |= {(other, who) for other in named(one["spec"]["ingress"][0]["from"][0])}
        if way == "from":
            sent |= {(who, other) for other in named(one["spec"]["egress"][0]["to"][0])}
    return received, sent


def named(peer):
    return peer["podSelector"]["matchExpressions"][0]["values"]


def test_without_a_policy_nothing_passes():
    assert of_kind("NetworkPolicy", "base")["nothing-else"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }


@pytest.mark.parametrize("name", ["every-web", "every-worker", "every-migration", "gateway"])
def test_a_process_has_no_more_rights_than_it_needs(name):
    found = (of_kind("Deployment", "base") | of_kind("Job", "base"))[name]
    pod = found["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(found)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    if name != "every-migration":
        assert {"livenessProbe", "readinessProbe"} <= container(found).keys()


def test_every_process_is_of_a_kind_that_these_rights_are_given_to():
    given = {one["target"]["labelSelector"] for one in kustomization("base")["patches"]}
    for name, one in (of_kind("Deployment", "base") | of_kind("Job", "base")).items():
        if not name.startswith("every-") and name != "gateway":
            assert f"app.kubernetes.io/component={one['metadata']['labels']['app.kubernetes.io/component']}" in given
            assert [each["name"] for each in one["spec"]["template"]["spec"]["containers"]] == ["main"]


def test_in_production_everything_outlives_the_loss_of_a_replica():
    scaled = of_kind("HorizontalPodAutoscaler", "prod")
    assert scaled.keys() == PROCESSES
    assert all(one["spec"]["minReplicas"] >= 2 for one in scaled.values())
    workers = {one["name"] for one in kustomization("prod")["replicas"] if one["count"] >= 2}
    assert of_kind("PodDisruptionBudget", "prod").keys() == PROCESSES | workers
    assert workers == {f"{one.name}-worker" for one in SERVICES if one.worker}


def test_every_image_is_named_exactly():
    ours = {f"stoa-{name}" for name in PROCESSES - {"gateway"}}
    assert {one["name"] for one in kustomization("prod")["images"] if one["digest"].startswith("sha256:")} == ours
    assert {one["name"] for one in kustomization("dev")["images"] if one["newTag"] != "latest"} == ours
    assert re.fullmatch(r"traefik:v\d+\.\d+", container(of_kind("Deployment", "base")["gateway"])["image"])


def test_no_secret_stands_in_the_files():
    assert not of_kind("Secret", "base", "dev", "prod")
    secret = re.compile(r"(PASSWORD|SECRET_KEY|SERVICE_KEY|WEBHOOK_KEY|DATABASE_URL|BROKER_URL)\b")
    assert not [path for path in K8S.rglob("*.yaml") if secret.search(path.read_text())]

"""The settings of the local stack: one documented place, and what is refused."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from stoa import settings as module
from stoa.credentials import Credentials, read_credentials
from stoa.servers import SCHEMAS, free_port_block
from stoa.settings import OFFSETS, PORTS, ROOT, BadSettings, Settings, read_settings

pytestmark = pytest.mark.unit

EXAMPLE = ROOT / ".env.example"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STOA_{name.upper()}", raising=False)


def test_the_example_names_every_setting_with_the_figure_that_holds_without_it():
    written = dict(re.findall(r'^STOA_([A-Z_]+)="?(.*?)"?$', EXAMPLE.read_text(), re.MULTILINE))
    held = {name.upper(): str(getattr(Settings(), name)) for name in Settings.model_fields}
    assert written == held


def test_every_variable_of_the_example_is_explained():
    text = EXAMPLE.read_text()
    paragraphs = [block for block in re.split(r"\n(?=#)", text) if "STOA_" in block]
    assert all(block.startswith("#") for block in paragraphs)


def test_no_two_listeners_share_a_port():
    settings = Settings(replicas=" ".join(f"{name}=5" for name in SCHEMAS))
    ports = [settings.port, *(settings.port_of(each) for name in OFFSETS for each in settings.replicas_of(name))]
    assert len(ports) == len(set(ports)) == 1 + len(OFFSETS) + 4 * len(SCHEMAS)
    assert max(ports) < settings.port_base + PORTS


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"STOA_PORT": "many"}, "STOA_PORT"),
        ({"STOA_PORT": "70000"}, "STOA_PORT"),
        ({"STOA_CURRENCY": "euro"}, "STOA_CURRENCY"),
        ({"STOA_SECRET_KEY": "short"}, "STOA_SECRET_KEY needs at least 32 characters"),
        ({"STOA_WEBHOOK_KEY": "short"}, "STOA_WEBHOOK_KEY needs at least 32 characters"),
        ({"STOA_ENV": "production", "STOA_ADMIN_PASSWORD": "own"}, "production speaks https"),
        ({"STOA_ENV": "production", "STOA_TLS": "on"}, "STOA_ADMIN_PASSWORD"),
        ({"STOA_ENV": "production", "STOA_PUBLIC_URL": "https://shop.example"}, "STOA_ADMIN_PASSWORD"),
        ({"STOA_CORS_ORIGINS": "*"}, "STOA_CORS_ORIGINS"),
        ({"STOA_CORS_ORIGINS": "https://shop.example/"}, "STOA_CORS_ORIGINS"),
        ({"STOA_CORS_ORIGINS": "https://shop.example,shop.example"}, "STOA_CORS_ORIGINS"),
        ({"STOA_TLS": "yes"}, "STOA_TLS"),
        ({"STOA_TLS": "on", "STOA_TLS_CERT": "/a.pem"}, "belong together"),
        ({"STOA_TLS": "acme"}, "STOA_PUBLIC_URL"),
        ({"STOA_ENV": "production", "STOA_ADMIN_PASSWORD": "own", "STOA_RATE_LIMITS": "off"}, "refused in production"),
        ({"STOA_REPLICAS": "orders=6"}, "STOA_REPLICAS"),
        ({"STOA_REPLICAS": "gateway=2"}, "STOA_REPLICAS"),
        ({"STOA_REPLICAS": "orders=2,cart=2"}, "STOA_REPLICAS"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(monkeypatch, variables, sentence):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=sentence) as refusal:
        read_settings()
    assert "\n" not in str(refusal.value)


def test_several_origins_may_be_named(monkeypatch):
    origins = "https://shop.example, http://localhost:3000,https://b.example:8443"
    monkeypatch.setenv("STOA_CORS_ORIGINS", origins)
    assert read_settings().cors_origins == origins


@pytest.mark.parametrize(("tls", "scheme"), [("off", "http"), ("on", "https")])
def test_the_addresses_say_whether_tls_is_on(tls, scheme):
    settings = Settings(tls=tls)
    assert (settings.url, settings.outside_url) == (f"{scheme}://127.0.0.1:8080",) * 2


def test_production_has_no_demo(monkeypatch):
    monkeypatch.setenv("STOA_ENV", "production")
    monkeypatch.setenv("STOA_TLS", "on")
    monkeypatch.setenv("STOA_ADMIN_PASSWORD", "of its own")
    assert not read_settings().with_demo


def test_what_the_stack_does_not_know_is_handed_to_the_services(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("STOA_THREADS=5\nSTOA_PORT=1\nOTHER=2\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    handed = module.others_for_services({"STOA_CUSTOMER_CANCEL_UNTIL": "processing", "PATH": "/bin"})
    assert handed == {"STOA_THREADS": "5", "STOA_CUSTOMER_CANCEL_UNTIL": "processing"}


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path):
    settings = Settings(run=tmp_path)
    first = read_credentials(settings)
    assert read_credentials(settings) == first
    passwords = {first.secret_key, first.webhook_key, first.rabbitmq_password, *first.mysql_passwords.values()}
    assert len(passwords | set(first.service_keys.values())) == 15
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0


def test_calls_that_come_first_together_agree_on_the_secrets(tmp_path):
    callers, rounds = 4, 25
    together = Barrier(callers)

    def call(number: int) -> Credentials:
        together.wait()
        return read_credentials(Settings(run=tmp_path / str(number)))

    with ThreadPoolExecutor(callers) as pool:
        for number in range(rounds):
            assert len({each.secret_key for each in pool.map(call, [number] * callers)}) == 1


def test_a_secret_that_is_given_holds_and_is_not_written_down(tmp_path):
    given = "given-by-the-environment"
    assert read_credentials(Settings(run=tmp_path, rabbitmq_password=given)).rabbitmq_password == given
    assert given not in (tmp_path / "secrets.json").read_text()


def test_a_block_of_free_ports_holds_a_stack_with_all_its_replicas_and_a_bench_beside_it():
    assert free_port_block(PORTS + 4) > 0

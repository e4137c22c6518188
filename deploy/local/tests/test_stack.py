"""The list of processes: what each is told, and what it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from common.service_tokens import public_half
from notifier.hooks.dispatch import SHARE
from stoa.credentials import read_credentials
from stoa.preflight import NotNow
from stoa.servers.server import NICENESS, yielding
from stoa.settings import Settings
from stoa.stack import SERVICES, Stack
from stoa.supervision import Supervisor

pytestmark = pytest.mark.unit

NAMES = [service.name for service in SERVICES]

AUTOGROUP = Path("/proc/self/autogroup")


@pytest.fixture
def stack(tmp_path):
    settings = Settings(run=tmp_path, _env_file=None)
    environment = {"STOA_THREADS": "9", "STOA_DATABASE_URL": "of the shell", "HTTP_PROXY": "http://proxy"}
    return Stack(settings, read_credentials(settings), environment)


def test_a_service_goes_by_its_name_with_its_replicas_and_workers(tmp_path):
    settings = Settings(run=tmp_path, replicas="catalog=2", _env_file=None)
    stack = Stack(settings, read_credentials(settings))

    def names(*words):
        return [process.name for process in stack.replaceable(words)]

    assert names("portal", "catalog") == ["catalog", "catalog-2", "catalog-worker", "portal"]
    assert names("catalog-2") == ["catalog-2"]
    assert names() == [process.name for process in (*stack.web, *stack.workers, stack.portal)]
    with pytest.raises(NotNow, match="There is no service mysql; there are: auth, "):
        names("cart", "mysql")


@pytest.mark.parametrize("name", NAMES)
def test_a_service_knows_its_own_schema_and_no_other_password(stack, name):
    text = str(stack.service_environment(name))
    for schema, password in stack.credentials.mysql_passwords.items():
        assert (password in text) == (schema == name)
    assert stack.credentials.mysql_root_password not in text


@pytest.mark.parametrize("name", NAMES)
def test_only_auth_holds_the_key_that_guards_the_signing_keys(stack, name):
    assert (stack.credentials.secret_key in str(stack.service_environment(name))) == (name == "auth")


@pytest.mark.parametrize("name", NAMES)
def test_only_notifier_holds_the_key_that_guards_the_secrets_of_webhooks(stack, name):
    assert (stack.credentials.webhook_key in str(stack.service_environment(name))) == (name == "notifier")


def test_mails_have_threads_that_no_integrator_can_hold_up():
    options = next(service.worker for service in SERVICES if service.name == "notifier")
    assert int(options[options.index("--concurrency") + 1]) >= 2 * SHARE


@pytest.mark.parametrize("name", NAMES)
def test_a_service_holds_its_own_key_and_the_public_halves_of_all(stack, name):
    environment = stack.service_environment(name)
    for service, key in stack.credentials.service_keys.items():
        assert (key in environment.values()) == (service == name)
        assert f"{service}={public_half(key)}" in environment["STOA_SISTER_KEYS"].split()


def test_every_replica_is_known_to_the_gateway_and_the_sisters_and_leaves_when_they_have_noticed(tmp_path):
    settings = Settings(run=tmp_path, port_base=20000, replicas="orders=3 notifier-worker=2", _env_file=None)
    stack = Stack(settings, read_credentials(settings), {})
    three = "http://127.0.0.1:20004,http://127.0.0.1:20044,http://127.0.0.1:20054"
    names = {process.name for process in stack.everything()}
    assert {"orders", "orders-2", "orders-3", "notifier-worker", "notifier-worker-2"} <= names
    assert stack.gateway.variables["STOA_ORDERS_SERVERS"] == three
    assert stack.service_environment("catalog")["STOA_ORDERS_URL"] == three
    assert stack.portal.environment["STOA_ORDERS_URL"] == three
    assert float(stack.service_environment("orders")["STOA_DRAIN_S"]) > 1
    assert float(stack.service_environment("cart")["STOA_DRAIN_S"]) == 0
    assert len({worker.command[-1] for worker in stack.workers}) == 3


def test_the_shell_hands_on_settings_of_services_but_nothing_else(stack):
    environment = stack.service_environment("orders")
    assert environment["STOA_THREADS"] == "9"
    assert environment["STOA_DATABASE_URL"].startswith("mysql+pymysql://orders:")
    assert "HTTP_PROXY" not in environment


def test_services_find_others_by_their_detours_and_the_gateway_finds_services_without(stack):
    by_way = Stack(stack.settings, stack.credentials, stack.environment, {"mysql": 1111, "catalog": 2222})
    environment = by_way.service_environment("orders")
    before = stack.service_environment("orders")
    changed = {name: value for name, value in environment.items() if value != before[name]}
    assert changed.keys() == {"STOA_DATABASE_URL", "STOA_CATALOG_URL"}
    assert "@127.0.0.1:1111/orders" in changed["STOA_DATABASE_URL"]
    assert changed["STOA_CATALOG_URL"] == "http://127.0.0.1:2222"
    assert by_way.gateway.variables == stack.gateway.variables
    assert by_way.mysql.url("orders") == stack.mysql.url("orders")


def test_the_portal_and_the_gateway_hold_no_secret(stack):
    known = stack.credentials
    secrets = {known.secret_key, known.webhook_key, known.rabbitmq_password, *stack.mysql.passwords.values()}
    secrets |= set(known.service_keys.values())
    for process in (stack.portal, stack.gateway):
        assert not secrets & set(process.environment.values())


def test_each_process_has_a_name_of_its_own(stack):
    names = [process.name for process in stack.everything()]
    assert len(names) == len(set(names)) == 3 + 6 + 2 + 3


def test_workers_and_the_mailbox_yield_to_what_buyers_wait_for(stack, tmp_path):
    stack.mailbox.venv = tmp_path
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    nice = yielding([])
    yielders = {process.name for process in stack.everything() if process.command[: len(nice)] == nice}
    assert yielders == {"catalog-worker", "notifier-worker", "mailbox"}


def test_who_yields_runs_at_a_lower_priority():
    said = subprocess.check_output(yielding([sys.executable, "-c", "import os; print(os.nice(0))"]), text=True)
    assert int(said) == min(os.nice(0) + NICENESS, 19)


def test_who_yields_does_so_to_other_sessions_too():
    """Where the kernel weighs them; else there is nothing to be said to it, and nothing is lost."""
    asked = yielding(["/bin/sh", "-c", f"if [ -e {AUTOGROUP} ]; then cat {AUTOGROUP}; else echo nice {NICENESS}; fi"])
    assert subprocess.check_output(asked, text=True, start_new_session=True).split()[-1] == str(NICENESS)


def test_changed_code_changes_only_the_programs_that_run_it(stack, tmp_path, monkeypatch):
    monkeypatch.setattr("stoa.stack.code_of", lambda service, _: "new" if service == "orders" else "old")
    changed = Stack(stack.settings, stack.credentials, stack.environment)
    monkeypatch.setattr("stoa.stack.code_of", lambda *_: "old")
    before = Stack(stack.settings, stack.credentials, stack.environment)
    pairs = zip(before.everything(), changed.everything(), strict=True)
    assert [old.name for old, new in pairs if old.environment != new.environment] == ["orders"]


def test_another_release_of_a_service_is_run_from_its_own_folder(stack, tmp_path):
    changed = Stack(stack.settings, stack.credentials, stack.environment, places={"catalog": tmp_path})
    at = {each.name for each in (*changed.web, *changed.workers) if each.directory == tmp_path}
    assert at == {"catalog", "catalog-worker"}
    assert [each.service for each in changed.migrations if each.directory == tmp_path] == ["catalog"]


def test_a_password_with_odd_characters_reaches_the_program_whole(stack, tmp_path):
    stack.web[0].environment["STOA_ODD"] = "50% 'off', $HOME=a;b#c"
    supervisor = Supervisor(tmp_path)
    supervisor.configure([stack.web[0]])
    options = ServerOptions()
    options.realize(["-c", str(supervisor.configuration)])
    program = options.process_group_configs[0].process_configs[0]
    assert program.environment["STOA_ODD"] == stack.web[0].environment["STOA_ODD"]
    assert program.environment["STOA_DATABASE_URL"] == stack.web[0].environment["STOA_DATABASE_URL"]


@pytest.mark.parametrize("value", ["two\nlines", "a ;comment", "both ' and \""])
def test_what_the_supervisor_cannot_pass_on_is_refused(stack, tmp_path, value):
    stack.web[0].environment["STOA_ODD"] = value
    with pytest.raises(ValueError, match="STOA_ODD"):
        Supervisor(tmp_path).configure([stack.web[0]])

"""Starts that cannot succeed: one clear sentence, and everything as it was."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager, nullcontext

import pytest

from stoa.marks import holder, marked
from stoa.preflight import NotNow, check_place
from stoa.servers import free_port_block
from stoa.settings import OFFSETS, ROOT, Settings
from stoa.starting import House


@contextmanager
def _listening(port):
    with socket.create_server(("127.0.0.1", port)):
        yield


@pytest.fixture(scope="module")
def base():
    return free_port_block(40)


def _stoa(*words, **variables):
    command = [sys.executable, "-c", "from stoa.cli import app; app()", *words]
    environment = os.environ | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def _up(tmp_path, base, **variables):
    own = {"STOA_RUN": str(tmp_path / "run"), "STOA_PORT": str(base + 39), "STOA_PORT_BASE": str(base)}
    done = _stoa("up", **(own | variables))
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("name", OFFSETS)
def test_a_taken_port_is_named_with_its_holder_and_the_variable_to_change(tmp_path, base, name):
    port = base + OFFSETS[name]
    settings = Settings(run=tmp_path, port=base + 39, port_base=base, _env_file=None)
    with _listening(port), pytest.raises(NotNow) as refusal:
        check_place(settings)
    said = str(refusal.value)
    assert said.startswith(f"Port {port} ({name}) is taken by ")
    assert said.endswith(f"(pid {os.getpid()}); end it or set STOA_PORT_BASE to another number.")


def test_a_holder_is_found_although_it_opens_and_closes_files_meanwhile(base, monkeypatch):
    gone = iter(range(10**9))

    def readlink(path):
        if next(gone) % 2:
            raise FileNotFoundError(path)
        return read(path)

    read = os.readlink
    with socket.create_server(("127.0.0.1", base)) as listener:
        others = [os.dup(listener.fileno()) for _ in range(4)]
        monkeypatch.setattr("stoa.marks.os.readlink", readlink)
        try:
            assert holder(base) == os.getpid()
        finally:
            for other in others:
                os.close(other)


def test_a_taken_gateway_port_names_its_own_variable(tmp_path, base):
    with _listening(base + 39):
        code, said = _up(tmp_path, base)
    assert (code, "set STOA_PORT to" in said) == (1, True)
    assert "\n" not in said
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_told_before_anything_is_started(tmp_path, base):
    code, said = _up(tmp_path, base, STOA_DISK_MINIMUM_MB="999999999")
    assert code == 1
    assert "999999999 MB are needed" in said
    assert not (tmp_path / "run").exists()


def test_a_path_the_servers_cannot_live_in_is_told(tmp_path, base):
    code, said = _up(tmp_path, base, STOA_RUN=str(tmp_path / "two words"))
    assert (code, "without spaces" in said) == (1, True)


def test_a_bad_setting_is_one_sentence(tmp_path, base):
    assert _up(tmp_path, base, STOA_RATE_LIMITS="maybe")[1].startswith("STOA_RATE_LIMITS: ")


def test_a_program_that_is_missing_is_named(tmp_path, base):
    script = "import shutil; real = shutil.which; shutil.which = lambda name, **more: None if name == 'redis-server' "
    script += "else real(name, **more)\nfrom stoa.cli import app\napp()"
    variables = {"STOA_RUN": str(tmp_path / "run"), "STOA_PORT": str(base + 39), "STOA_PORT_BASE": str(base)}
    done = subprocess.run(
        [sys.executable, "-c", script, "up"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "redis-server is not installed" in done.stderr) == (1, True)
    assert marked(tmp_path / "run") == []


def test_two_at_work_in_one_folder_do_not_meet(tmp_path):
    with House(Settings(run=tmp_path, _env_file=None), lambda _: nullcontext()).alone():
        refused = _stoa("down", STOA_RUN=str(tmp_path))
    done = _stoa("down", STOA_RUN=str(tmp_path))
    sentence = "Another `stoa up` or `stoa down` is at work in this folder; wait for it."
    assert (refused.returncode, refused.stderr.strip()) == (1, sentence)
    assert (done.returncode, done.stdout.strip()) == (0, "Nothing was running.")


def test_taking_down_what_does_not_run_is_harmless(tmp_path):
    done = _stoa("down", STOA_RUN=str(tmp_path / "run"))
    assert (done.returncode, done.stdout.strip()) == (0, "Nothing was running.")


def test_the_status_of_nothing_is_all_stopped(tmp_path):
    done = _stoa("status", "--json", STOA_RUN=str(tmp_path / "run"))
    assert done.returncode == 1
    assert '"state": "stopped"' in done.stdout
    assert '"running"' not in done.stdout


def test_logs_of_a_process_nobody_knows_are_refused(tmp_path):
    done = _stoa("logs", "nobody", STOA_RUN=str(tmp_path / "run"))
    assert (done.returncode, "There is no log of nobody" in done.stderr) == (1, True)


def test_the_holder_of_a_port_is_found():
    port = free_port_block(1)
    assert holder(port) is None
    with _listening(port):
        assert holder(port) == os.getpid()


@pytest.mark.unit
def test_make_explains_itself():
    shown = subprocess.run(["make", "--directory", ROOT], capture_output=True, text=True, check=True).stdout
    for target in (
        "up",
        "down",
        "status",
        "logs",
        "test",
        "test-<service>",
        "e2e",
        "check",
        "replay",
        "migrate",
        "lock",
    ):
        assert f"{target}\033" in shown or f"{target} " in shown

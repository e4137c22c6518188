"""The supervisor for real, with small programs: what dies comes back, what is taken down is gone."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import PIPE

import pytest

from common.testing.waiting import eventually
from stoa.marks import end, group_cpu_s, group_memory_mb, marked
from stoa.supervision import Supervisor


@dataclass(frozen=True)
class Sleeper:
    """A program that does nothing for a long time; `line` is what it runs."""

    name: str
    log: Path
    line: str = "import time; print('awake', flush=True); time.sleep(600)"
    ports: list[int] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", self.line]

    def prepare(self) -> None: ...

    def ready(self) -> bool:
        return True

    def clean_up(self) -> None: ...


@pytest.fixture
def supervisor(tmp_path):
    supervisor = Supervisor(tmp_path)
    yield supervisor
    supervisor.shut_down()
    end(lambda: marked(tmp_path))


@pytest.fixture
def two(tmp_path):
    return [Sleeper("first", tmp_path / "first.log"), Sleeper("second", tmp_path / "second.log")]


def _raise(supervisor, programs):
    supervisor.configure(programs)
    supervisor.launch()
    for program in programs:
        supervisor.start(program.name)
    return eventually(lambda: _pids(supervisor, len(programs)))


def _pids(supervisor, count):
    pids = {name: state.pid for name, state in supervisor.states().items() if state.word == "RUNNING"}
    return pids if len(pids) == count else None


def test_a_program_killed_by_hand_is_started_again(supervisor, two):
    before = _raise(supervisor, two)
    os.kill(before["first"], signal.SIGKILL)
    after = eventually(lambda: (now := _pids(supervisor, 2)) and now["first"] != before["first"] and now)
    assert after["second"] == before["second"]


def test_a_repeat_changes_nothing_and_a_changed_program_alone_is_restarted(supervisor, two):
    before = _raise(supervisor, two)
    supervisor.configure(two)
    assert _pids(supervisor, 2) == before
    two[1] = replace(two[1], environment={"STOA_CODE": "new"})
    supervisor.configure(two)
    supervisor.start("second")
    after = eventually(lambda: _pids(supervisor, 2))
    assert after["first"] == before["first"]
    assert after["second"] != before["second"]


def test_what_is_described_anew_holds_for_those_only_that_are_renewed(supervisor, two):
    before = _raise(supervisor, two)
    supervisor.describe([replace(each, line="import time; print('new', flush=True); time.sleep(600)") for each in two])
    supervisor.stop("second")
    eventually(lambda: supervisor.states()["second"].word == "STOPPED")
    supervisor.renew("second")
    supervisor.start("second")
    after = eventually(lambda: _pids(supervisor, 2))
    assert after["first"] == before["first"]
    eventually(lambda: supervisor.log_of("second").read_text().endswith("new\n"))
    assert "new" not in supervisor.log_of("first").read_text()


def test_what_it_says_is_kept_in_a_file_of_its_own(supervisor, two):
    _raise(supervisor, two)
    eventually(lambda: supervisor.log_of("first").read_text() == "awake\n")


def test_no_process_is_left_not_even_one_that_went_into_the_background(supervisor, two, tmp_path):
    daemon = "import os, time; os.fork() or os.setsid(); time.sleep(600)"
    _raise(supervisor, [*two, Sleeper("daemon", tmp_path / "daemon.log", daemon)])
    eventually(lambda: len(marked(tmp_path)) == 5)
    supervisor.shut_down()
    end(lambda: marked(tmp_path))
    assert marked(tmp_path) == []
    assert not supervisor.alive()


def test_orphans_of_a_killed_supervisor_are_found(supervisor, two, tmp_path):
    pids = set(_raise(supervisor, two).values())
    chief = int((tmp_path / "supervisord.pid").read_text())
    os.kill(chief, signal.SIGKILL)
    eventually(lambda: set(marked(tmp_path)) == pids)
    assert end(lambda: marked(tmp_path)) == 2
    assert marked(tmp_path) == []


def test_memory_is_counted_by_group():
    assert group_memory_mb(os.getpgrp()) > 1


def test_processor_time_is_counted_by_group_with_children_that_have_ended():
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(); input()"
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, process_group=0) as process:
        process.stdout.readline()
        assert group_cpu_s(process.pid) >= 0.3

"""Which servers the tests talk to: containers where Docker answers, else processes of this machine."""

import subprocess

import pytest
from sqlalchemy import create_engine, make_url, text

from common.testing.servers import Servers, docker_answers
from stoa.marks import holder, name_of

WORDS = {"mysql": "mysql:8.4", "broker": "rabbitmq:4-management", "redis": "redis:8"}
PROGRAMS = {"mysql": {"mariadbd"}, "broker": {"beam.smp"}, "redis": {"redis-server"}}


@pytest.mark.parametrize("name", WORDS)
def test_the_servers_are_those_that_were_chosen(servers: Servers, name: str) -> None:
    port = make_url(getattr(servers, name)).port
    assert port is not None
    if docker_answers():
        command = ["docker", "ps", "--filter", f"publish={port}", "--format", "{{.Image}}"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [WORDS[name]]
    else:
        pid = holder(port)
        assert pid is not None
        assert name_of(pid) in PROGRAMS[name]


def test_the_database_is_mysql_in_a_container_and_mariadb_else(servers: Servers) -> None:
    engine = create_engine(servers.mysql)
    with engine.connect() as connection:
        version = connection.scalar(text("SELECT VERSION()"))
    engine.dispose()
    assert ("MariaDB" in version) is not docker_answers()


@pytest.mark.unit
def test_native_servers_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOA_TEST_SERVERS", "native")
    assert not docker_answers()


@pytest.mark.unit
def test_without_docker_they_are_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STOA_TEST_SERVERS", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert not docker_answers()

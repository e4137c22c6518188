"""Which servers the tests talk to: containers where Docker answers, else processes of this machine."""

from contextlib import closing

import docker
import pytest
from sqlalchemy import create_engine, make_url, text

from common.testing.servers import Servers, docker_answers
from stoa.marks import holder, name_of

IMAGES = {"mysql": "mysql:8.4", "broker": "rabbitmq:4-management", "redis": "redis:8"}
PROGRAMS = {"mysql": {"mariadbd"}, "broker": {"beam.smp"}, "redis": {"redis-server"}}


@pytest.mark.parametrize("name", IMAGES)
def test_the_servers_are_those_that_were_chosen(servers: Servers, name: str) -> None:
    address = make_url(getattr(servers, name))
    assert address.port is not None
    if docker_answers():
        assert _image_at(address.host, address.port) == IMAGES[name]
    else:
        pid = holder(address.port)
        assert pid is not None
        assert name_of(pid) in PROGRAMS[name]


def _image_at(host: str | None, port: int) -> str:
    """Of the container that is found there: at an address of its own, or at a port that it has published."""
    with closing(docker.from_env()) as engine:
        for container in engine.containers.list():
            network = container.attrs["NetworkSettings"]
            ways = [way for ways in network["Ports"].values() for way in ways or ()]
            published = {way["HostPort"] for way in ways if ":" not in way["HostIp"]}  # IPv6 has numbers of its own
            if host == network["IPAddress"] or str(port) in published:
                return str(container.attrs["Config"]["Image"])
    raise AssertionError(f"no container is found at {host}:{port}")


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

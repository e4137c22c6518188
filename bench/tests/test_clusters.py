"""The clusters' tests: who leads, what lives alone, whom the balancer asks, and what counts as lost or doubled."""

from pathlib import Path

import pytest

from cluster import counted
from clusters.brokers import leader_of_most, lonely
from clusters.ground import PORTS, Ground
from stoa.credentials import read_credentials
from stoa.settings import Settings
from stoa.stack import Stack
from wrecking.checking import Row

pytestmark = pytest.mark.unit

ALL = ["stoa1@localhost", "stoa2@localhost", "stoa3@localhost"]


def queue(name: str, leader: str, online: list[str] = ALL, kind: str = "quorum") -> dict[str, object]:
    return {"name": name, "type": kind, "leader": leader, "online": online}


def test_the_leader_is_who_leads_most_quorum_queues() -> None:
    classic = [queue("jobs", "stoa1@localhost", kind="classic")] * 3
    queues = [queue("a", "stoa2@localhost"), queue("b", "stoa3@localhost"), queue("c", "stoa2@localhost"), *classic]
    assert leader_of_most(queues) == "stoa2@localhost"


def test_without_a_quorum_queue_nobody_leads() -> None:
    with pytest.raises(ValueError, match="no quorum queue"):
        leader_of_most([queue("jobs", "stoa1@localhost", kind="classic")])


def test_a_queue_that_misses_a_node_is_named() -> None:
    assert lonely([queue("a", ALL[0]), queue("b", ALL[0], ALL[:2]), queue("c", ALL[0], [], "classic")]) == ["b"]


@pytest.fixture
def clustered(tmp_path: Path) -> Stack:
    settings = Settings(run=tmp_path, env="test", port_base=21000, _env_file=None)
    return Stack(settings, read_credentials(settings), {}, backends=Ground(25000))


def test_services_find_the_balancer_where_they_would_find_the_servers(clustered: Stack) -> None:
    known = clustered.service_environment("orders")
    assert "@127.0.0.1:21010/orders" in known["STOA_DATABASE_URL"]
    balancer = next(each for each in clustered.database() if each.name == "balancer")
    assert balancer.ports == [21010, 21012, 21013]


def test_no_two_nodes_share_a_port_and_all_are_in_the_block(clustered: Stack) -> None:
    nodes = [each for each in clustered.servers() if each.name.startswith(("mysql", "rabbitmq"))]
    ports = [port for node in nodes for port in node.ports]
    assert len(nodes) == 6
    assert sorted(ports) == list(range(25000, 25000 + PORTS))


def test_what_is_lost_doubled_and_otherwise_wrong_is_counted_apart() -> None:
    wrong = {"what was answered is so": ["a", "b"], "no key has two orders": ["c"], "every answer in time": ["d"]}
    assert counted(Row("kill", violations=wrong)) == (2, 1, 1)

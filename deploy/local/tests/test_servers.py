"""Each native server for real: prepared, started, asked, stopped, and nothing left."""

import asyncio
import os
import signal
import subprocess
import sys
from itertools import permutations

import aio_pika
import pymysql
import pytest
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from common.testing.waiting import eventually
from stoa.servers import SCHEMAS, MariaDb, RabbitMq, Redis, ServerFailed, free_port_block, is_free, running

ANSWERED_BY_RULE = {
    "tx_isolation": "READ-COMMITTED",
    "innodb_flush_log_at_trx_commit": 1,
    "innodb_lock_wait_timeout": 3,
    "collation_database": "utf8mb4_unicode_520_ci",
    "time_zone": "+00:00",
}


@pytest.fixture(scope="module")
def mysql(tmp_path_factory):
    with running(MariaDb(tmp_path_factory.mktemp("mysql"), free_port_block(1), "it's \\ root")) as server:
        yield server


def _ask(url, sql):
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            result = connection.execute(text(sql))
            return result.all() if result.returns_rows else []
    finally:
        engine.dispose()


def test_each_service_has_a_schema_of_its_own(mysql):
    for schema in SCHEMAS:
        seen = {row[0] for row in _ask(mysql.url(schema), "SHOW DATABASES")}
        assert seen == {schema, "information_schema"}


@pytest.mark.parametrize(("user", "schema"), list(permutations(SCHEMAS, 2)))
def test_no_service_sees_another_ones_schema(mysql, user, schema):
    foreign = mysql.url(user).replace(f"/{user}?", f"/{schema}?")
    with pytest.raises(OperationalError, match="Access denied"):
        _ask(foreign, "SELECT 1")


def test_the_database_keeps_what_it_confirmed_and_waits_no_longer_than_agreed(mysql):
    names = ", ".join(f"@@{name}" for name in ANSWERED_BY_RULE)
    assert _ask(mysql.url("orders"), f"SELECT {names}") == [tuple(ANSWERED_BY_RULE.values())]
    assert "STRICT_TRANS_TABLES" in _ask(mysql.url("orders"), "SELECT @@sql_mode")[0][0]


def test_a_new_password_holds_from_the_next_start_on_and_the_data_stay(tmp_path):
    port = free_port_block(1)
    with running(MariaDb(tmp_path, port, "first", {"auth": "old"})) as server:
        _ask(server.url("auth"), "CREATE TABLE kept (id INT)")
    with running(MariaDb(tmp_path, port, "second", {"auth": "new"})) as server:
        assert _ask(server.url("auth"), "SHOW TABLES") == [("kept",)]
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            pymysql.connect(host="127.0.0.1", port=port, user="root", password="first")


def test_an_interrupted_initialisation_is_done_again(tmp_path):
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "half").write_text("a file")
    with running(MariaDb(tmp_path, free_port_block(1), "x")) as server:
        assert not (server.data / "half").exists()


def test_redis_evicts_nothing(tmp_path):
    with running(Redis(tmp_path, free_port_block(1))) as server, redis.Redis.from_url(server.url()) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.set("key", "value")


async def _through_a_quorum_queue(url):
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), "kept")
        message = await queue.get(timeout=10)
        await message.ack()
        return message.body


def test_rabbitmq_carries_a_message_and_takes_its_name_server_along(tmp_path):
    port = free_port_block(5)
    with running(RabbitMq(tmp_path, port, "s3cret/%"), patience=0.5) as server:
        assert asyncio.run(_through_a_quorum_queue(server.url())) == b"hello"
        assert not is_free(server.epmd_port)
    eventually(lambda: all(is_free(one) for one in range(port, port + 5)))


def test_a_server_that_cannot_start_says_why_in_one_sentence(tmp_path):
    server = Redis(tmp_path, free_port_block(1), memory_mb=-1)
    with pytest.raises(ServerFailed) as failure, running(server):
        pytest.fail("it started")
    assert failure.value.sentence == "redis ended at once with code 1."
    assert "maxmemory" in failure.value.tail


def test_a_stranger_on_the_port_is_not_taken_for_the_server(tmp_path):
    port = free_port_block(1)
    with (
        running(Redis(tmp_path / "first", port)),
        pytest.raises(ServerFailed, match=f"port {port} is taken"),
        running(Redis(tmp_path / "second", port)),
    ):
        pytest.fail("it started")


KEEPER = """
import signal, sys, time
from pathlib import Path
from stoa.servers import Redis, running
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell has switched off for what it starts with &
with running(Redis(Path(sys.argv[1]), int(sys.argv[2]))):
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_server_outlives_the_process_that_started_it(tmp_path, how):
    port = free_port_block(1)
    keeper = subprocess.Popen([sys.executable, "-c", KEEPER, tmp_path, str(port)], stdout=subprocess.PIPE)
    with keeper:
        assert keeper.stdout.readline() == b"up\n"
        os.kill(keeper.pid, how)
    eventually(lambda: is_free(port))


def test_two_callers_never_get_the_same_ports():
    ask = [sys.executable, "-c", "from stoa.servers import free_port_block as f; print(f(20), flush=True); input()"]
    callers = [subprocess.Popen(ask, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    blocks = {caller.stdout.readline() for caller in callers}
    for caller in callers:
        caller.communicate("\n")
    assert len(blocks) == 4
    assert max(map(int, blocks)) < 32768

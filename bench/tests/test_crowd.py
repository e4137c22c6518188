"""The crowd of sockets: what it waits for, and that it says in one sentence why nothing was measured."""

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from measuring import crowd as module
from measuring.crowd import blasted, compiled, crowd
from measuring.loading import ended
from measuring.results import NoLoad

pytestmark = pytest.mark.unit

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Makes a crowd that does what these lines of Python say."""

    def make(lines: str) -> Path:
        path = tmp_path / "crowd"
        path.write_text(
            f"#!{sys.executable}\nimport struct, sys, time\nsay = lambda word: print(word, flush=True)\n{lines}"
        )
        path.chmod(0o755)
        return path

    return make


def test_what_comes_after_the_burst_is_waited_for_apart(program: Program) -> None:
    acts = "say('ready'); say('burst'); open(sys.argv[8], 'wb').write(struct.pack('=IIQ', int(sys.argv[6]), 0, 5))"
    with crowd(program(acts), 1, clients=3, expected=9, burst=6) as listeners:
        listeners.hears_the_burst()
        (delivery,) = listeners.heard()
    assert (delivery.product, delivery.client, delivery.at) == (6, 0, 5)


@pytest.mark.parametrize(
    ("acts", "why"),
    [
        ("sys.exit(1)", "has not said 'ready'"),
        ("say('ready')", "has not said 'burst'"),
        ("say('ready'); say('burst'); sys.exit(1)", "was let go"),
        ("say('ready'); say('burst'); time.sleep(60)", "Not every update has come"),
    ],
)
def test_a_crowd_that_fails_is_no_load(program: Program, monkeypatch: pytest.MonkeyPatch, acts: str, why: str) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 2.0)

    def listen() -> None:
        with crowd(program(acts), 1, clients=3, expected=9) as listeners:
            listeners.hears_the_burst()
            listeners.heard()

    with pytest.raises(NoLoad, match=why):
        listen()


@pytest.mark.parametrize(
    ("acts", "why"), [("sys.exit('no such thing')", "crowd failed: no such thing"), ("time.sleep(60)", "within 1 s")]
)
def test_a_program_that_fails_or_does_not_end_is_no_load(program: Program, acts: str, why: str) -> None:
    with pytest.raises(NoLoad, match=why):
        ended([program(acts)], 1)


needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="the clients are a C program")


@needs_cc
def test_the_clients_hear_what_the_bound_sends(tmp_path: Path, free_port: int) -> None:
    deliveries = blasted(compiled(tmp_path), free_port, clients=4, messages=5, length=130)
    assert len(deliveries) == 20
    assert {delivery.client for delivery in deliveries} == {0, 1, 2, 3}


@needs_cc
def test_the_burst_is_over_when_it_has_come_to_all_who_read(tmp_path: Path) -> None:
    async def story() -> tuple[int, list[int]]:
        ready, go, burst = asyncio.Event(), asyncio.Event(), 0

        async def tell(socket: ServerConnection) -> None:
            nonlocal burst
            await socket.send("{}")
            await ready.wait()
            await asyncio.sleep(0.2)  # for who would not wait
            for product in (1, 2):
                burst += 1
                await socket.send(f'{{"product_id":{product}}}')
            await go.wait()
            await socket.send('{"product_id":3}')
            await socket.wait_closed()

        async with serve(tell, "127.0.0.1", 0, compression=None) as server:
            port = server.sockets[0].getsockname()[1]
            program = await asyncio.to_thread(compiled, tmp_path)
            listening = crowd(program, port, clients=3, frozen=1, burst=4, expected=6)
            listeners = await asyncio.to_thread(listening.__enter__)
            ready.set()
            await asyncio.to_thread(listeners.hears_the_burst)
            said = burst
            go.set()
            heard = await asyncio.to_thread(listeners.heard)
            listening.__exit__(None, None, None)
        return said, [delivery.product for delivery in heard]

    said, heard = asyncio.run(story())
    assert said >= 4
    assert sorted(heard) == [1, 1, 2, 2, 3, 3]

"""A crowd of WebSocket clients, and the bound for serving it: in C (`sockets.c`), to cost less than the server."""

import select
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from subprocess import PIPE
from typing import IO, cast

from measuring.loading import ended
from measuring.results import NoLoad
from measuring.tools import CC

SOURCE = Path(__file__).with_name("sockets.c")
RECORD = Struct("=IIQ")
COMPILED_S = 60
GREETED_S = 60
PATIENCE_S = 180


@dataclass(frozen=True)
class Delivery:
    """A product's update came to a client at a moment of the monotonic clock, in nanoseconds."""

    product: int
    client: int
    at: int


def compiled(folder: Path) -> Path:
    """The program. Raises NoLoad."""
    program = folder / "sockets"
    ended([CC.path(), "-D_GNU_SOURCE", "-O2", "-o", program, SOURCE], COMPILED_S)
    return program


@dataclass(frozen=True)
class Crowd:
    """Listeners that run, and where they will write down what they have heard. Both waits raise NoLoad."""

    running: subprocess.Popen[bytes]
    log: Path

    def hears_the_burst(self) -> None:
        """Wait until the deliveries of the burst have all come."""
        _says(self.running, "burst", PATIENCE_S)

    def heard(self) -> list[Delivery]:
        """All deliveries, once the last has come."""
        try:
            code = self.running.wait(PATIENCE_S)
        except subprocess.TimeoutExpired as failure:
            raise NoLoad(f"Not every update has come to every client within {PATIENCE_S} s.") from failure
        if code:
            raise NoLoad("A client of the crowd was let go.")
        return [Delivery(*record) for record in RECORD.iter_unpack(self.log.read_bytes())]


@contextmanager
def crowd(program: Path, port: int, *, clients: int, expected: int, frozen: int = 0, burst: int = 0) -> Iterator[Crowd]:
    """So many listeners, all greeted, for so many deliveries, the first of which may be a burst.

    The first `frozen` never read.
    """
    with tempfile.NamedTemporaryFile() as log:
        arguments = [port, "/ws/products/", clients, frozen, burst, expected, log.name]
        with _running(program, "listen", *arguments) as running:
            _says(running, "ready", GREETED_S)
            yield Crowd(running, Path(log.name))


def blasted(program: Path, port: int, *, clients: int, messages: int, length: int) -> list[Delivery]:
    """What the crowd hears of a server that does nothing but send: the bound."""
    with _running(program, "blast", port, clients, messages, length) as server:
        _says(server, "open", GREETED_S)
        with crowd(program, port, clients=clients, expected=clients * messages) as listeners:
            go = cast(IO[bytes], server.stdin)
            go.write(b"\n")
            go.flush()
            return listeners.heard()


def rate(deliveries: list[Delivery]) -> float:
    """Deliveries a second, from the first to the last."""
    return (len(deliveries) - 1) / (deliveries[-1].at - deliveries[0].at) * 1e9


def percentiles_ms(deliveries: list[Delivery], said: dict[int, int]) -> tuple[float, float]:
    """p50 and p99 of the way from the moment a product's event was said."""
    ways = [(delivery.at - said[delivery.product]) / 1e6 for delivery in deliveries if delivery.product in said]
    cuts = statistics.quantiles(ways, n=100)
    return cuts[49], cuts[98]


@contextmanager
def _running(program: Path, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(program), *map(str, arguments)]
    with subprocess.Popen(command, bufsize=0, stdin=PIPE, stdout=PIPE) as process:  # noqa: S603 - our own
        try:
            yield process
        finally:
            process.kill()


def _says(process: subprocess.Popen[bytes], word: str, seconds: float) -> None:
    said = cast(IO[bytes], process.stdout)
    readable, _, _ = select.select([said], [], [], seconds)
    if not readable or said.readline().decode().strip() != word:
        raise NoLoad(f"The crowd has not said {word!r} within {seconds:.0f} s.")

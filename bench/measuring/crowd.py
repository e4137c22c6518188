"""A crowd of WebSocket clients, and the bound for serving it: in C (`sockets.c`), to cost less than the server."""

import select
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import IO, cast

from measuring.loading import NoLoad

SOURCE = Path(__file__).with_name("sockets.c")
RECORD = Struct("=IIQ")
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
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoLoad("The clients are a C program; `apt-get install gcc libc6-dev` brings what compiles it.")
    program = folder / "sockets"
    subprocess.run([compiler, "-D_GNU_SOURCE", "-O2", "-o", program, SOURCE], check=True)  # noqa: S603 - our own
    return program


Heard = Callable[[], list[Delivery]]


@contextmanager
def crowd(program: Path, port: int, *, clients: int, expected: int, frozen: int = 0) -> Iterator[Heard]:
    """So many listeners, all greeted; the first `frozen` never read. Gives what waits for that many deliveries."""
    with tempfile.NamedTemporaryFile() as log:
        arguments = [port, "/ws/products/", clients, frozen, expected, log.name]
        with _running(program, "listen", *arguments) as running:
            _says(running, "ready", GREETED_S)

            def heard() -> list[Delivery]:
                if running.wait(PATIENCE_S):
                    raise NoLoad("A client of the crowd was let go.")
                return [Delivery(*record) for record in RECORD.iter_unpack(Path(log.name).read_bytes())]

            yield heard


def blasted(program: Path, port: int, *, clients: int, messages: int, length: int) -> list[Delivery]:
    """What the crowd hears of a server that does nothing but send: the bound."""
    with _running(program, "blast", port, clients, messages, length) as server:
        _says(server, "open", GREETED_S)
        with crowd(program, port, clients=clients, expected=clients * messages) as heard:
            go = cast(IO[bytes], server.stdin)
            go.write(b"\n")
            go.flush()
            return heard()


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
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        try:
            yield process
        finally:
            process.kill()


def _says(process: subprocess.Popen[bytes], word: str, seconds: float) -> None:
    said = cast(IO[bytes], process.stdout)
    readable, _, _ = select.select([said], [], [], seconds)
    if not readable or said.readline().decode().strip() != word:
        raise NoLoad(f"The crowd does not come: it has not said {word!r} within {seconds} s.")

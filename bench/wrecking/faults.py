"""The faults' room: each thing that is broken, how, for how long, and what clients may see of it."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from stoa.stack import NOTIFIER_THREADS
from wrecking.deliveries import deliver, last_said, repeated, unsend
from wrecking.invariants import GATEWAY
from wrecking.parcels import told
from wrecking.proxy import Toxic, Way
from wrecking.releases import FORGETS_OLD, READS_NEW, TAKES_AWAY, WRITES_BOTH, fill
from wrecking.stack import Site

SERVICES = ("auth", "catalog", "cart", "orders", "notifier", "realtime")
WORKERS = ("catalog-worker", "notifier-worker")
NONE: frozenset[str] = frozenset()
ALL = frozenset({*SERVICES, GATEWAY})
BEHIND: dict[str, frozenset[str]] = {
    **{name: frozenset({name}) for name in SERVICES},
    "catalog": frozenset({"catalog", "orders"}),
    "cart": frozenset({"cart", "orders"}),
    "mysql": frozenset(SERVICES),
    "gateway": ALL,
}
"""Whose doors may fail while a part is down (design: reliability 3.8); of the broker, Redis and the workers none."""
FROZEN_S = 20.0
AWAY_S = 60.0
SPOILT_S = 12.0
OUTBOX_AWAY_S = 15.0
RESENT = 3000
REPEATED = 500
SKEWED = ("cart", "realtime")

REPLICA = re.compile(r"-\d$")

Break = Callable[[Site], AbstractContextManager[object]]


@dataclass(frozen=True)
class Fault:
    """`lasts_s` is None for what happens at once and heals by itself; recovery is then counted from its beginning."""

    name: str
    break_it: Break
    may_fail: frozenset[str] = NONE
    lasts_s: float | None = None
    copies: int = 0
    """Mails that may come twice for it."""


@contextmanager
def _killed(site: Site, *names: str) -> Iterator[None]:
    site.kill(*names)
    yield


@contextmanager
def _frozen(site: Site, *names: str) -> Iterator[None]:
    site.freeze(*names)
    try:
        yield
    finally:
        site.thaw(*names)


@contextmanager
def _stopped(site: Site, name: str) -> Iterator[None]:
    site.stop(name)
    try:
        yield
    finally:
        site.start(name)


@contextmanager
def _spoilt(site: Site, toxic: Toxic, way: Way, *names: str) -> Iterator[None]:
    for name in names:
        site.proxies[name].spoil(way, toxic)
    try:
        yield
    finally:
        for name in names:
            site.proxies[name].clean()


@contextmanager
def _flushed(site: Site) -> Iterator[None]:
    site.flush_redis()
    yield


@contextmanager
def _reset(site: Site) -> Iterator[None]:
    for proxy in site.proxies.values():
        proxy.reset_peer()
    yield


@contextmanager
def _full_outbox(site: Site) -> Iterator[None]:
    with _stopped(site, "rabbitmq"):
        unsend(site.engine, RESENT)
        yield


@contextmanager
def _repeated(site: Site) -> Iterator[None]:
    chance = random.Random(REPEATED)  # noqa: S311 - any order will do
    deliver(site.running.stack.rabbitmq.url(), repeated(last_said(site.engine, REPEATED), chance))
    yield


@contextmanager
def _skewed(site: Site) -> Iterator[None]:
    """What the killed ones had not acked is delivered again, also to those whose clock is ahead."""
    with ExitStack() as held:
        for place, service in enumerate(SKEWED):
            held.enter_context(site.beside(service, f"wrecking.skewed:{service}", place))
        site.kill(*SKEWED)
        with _repeated(site):
            yield


@contextmanager
def _restarted(site: Site) -> Iterator[None]:
    site.restart()
    yield


@contextmanager
def _renamed(site: Site) -> Iterator[None]:
    """A column of orders gets another name in four releases."""
    folder = site.running.folder
    with told(site.url, site.running.token()):
        site.roll_out("orders", WRITES_BOTH.write(folder))
        fill(site.engine)
        for release in (READS_NEW, FORGETS_OLD, TAKES_AWAY):
            site.roll_out("orders", release.write(folder))
    yield


def _behind(*names: str) -> frozenset[str]:
    return frozenset().union(*(BEHIND.get(REPLICA.sub("", name), NONE) for name in names))


def _copies(names: tuple[str, ...]) -> int:
    return NOTIFIER_THREADS if {"notifier-worker", "mysql"} & set(names) else 0


def kill(*names: str, called: str = "") -> Fault:
    """SIGKILL, with all children."""
    name = f"kill {called or ' + '.join(names)}"
    return Fault(name, lambda site: _killed(site, *names), _behind(*names), copies=_copies(names))


def freeze(*names: str, called: str = "") -> Fault:
    """SIGSTOP for 20 s: connections stay, nothing is answered."""
    name = f"freeze {called or ' + '.join(names)} for {FROZEN_S:.0f} s"
    return Fault(name, lambda site: _frozen(site, *names), _behind(*names), FROZEN_S, copies=_copies(names))


def spoil(name: str, toxic: Toxic, way: Way, *between: str, may_fail: frozenset[str], copies: int = 0) -> Fault:
    """Let the proxies before these do something to what passes."""
    return Fault(name, lambda site: _spoilt(site, toxic, way, *between), may_fail, SPOILT_S, copies=copies)


FLUSH = Fault("flush Redis", _flushed)
BROKER_AWAY = Fault(f"the broker away for {AWAY_S:.0f} s", lambda site: _stopped(site, "rabbitmq"), NONE, AWAY_S)
FULL_OUTBOX = Fault(
    f"the broker away for {OUTBOX_AWAY_S:.0f} s, and up to {3 * RESENT:,} events in the outboxes again",
    _full_outbox,
    NONE,
    OUTBOX_AWAY_S,
)
REPEAT = Fault(f"the last {3 * REPEATED:,} events again, up to three times, in no order", _repeated, lasts_s=0)
RESET = Fault(
    "reset every connection between the parts", _reset, _behind("mysql", "catalog", "cart"), copies=NOTIFIER_THREADS
)
ROLLING = Fault("restart every process, one after the other", _restarted, ALL - {GATEWAY}, lasts_s=0)
ROLLING_TWO = Fault("restart every process, one after the other, with two of each service", _restarted, lasts_s=0)
RENAMED = Fault("rename a column of orders by four releases, with two of each service", _renamed, lasts_s=0)
SLOW_DATABASE = spoil("20 ms more to and from the database", Toxic(latency_s=0.02), Way.DOWN, "mysql", may_fail=NONE)
SKEW = Fault(
    "cart and realtime killed beside others whose clock is an hour ahead, and events again",
    _skewed,
    _behind(*SKEWED),
    SPOILT_S,
)

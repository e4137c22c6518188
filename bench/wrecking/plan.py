"""The plan's room: which faults are done in which order, and after which the books are checked."""

import random
from collections.abc import Iterator, Sequence

from stoa.stack import NOTIFIER_THREADS
from wrecking.faults import (
    BROKER_AWAY,
    FLUSH,
    FULL_OUTBOX,
    NONE,
    RENAMED,
    REPEAT,
    RESET,
    ROLLING,
    ROLLING_TWO,
    SERVICES,
    SKEW,
    SLOW_DATABASE,
    WORKERS,
    Fault,
    freeze,
    kill,
    spoil,
)
from wrecking.proxy import Toxic, Way

CUT_BYTES = 20_000
"""Of answers on one connection: a few statements, then the middle of one."""
ORDERING = frozenset({"catalog", "cart", "orders"})

Group = Sequence[Fault]
"""Faults that are done one after the other; then everything is settled and checked."""

CUT_DATABASE = spoil(
    "cut connections to the database in mid-answer",
    Toxic(limit_data=CUT_BYTES),
    Way.DOWN,
    "mysql",
    may_fail=frozenset(SERVICES),
    copies=NOTIFIER_THREADS,
)
CUT_SISTERS = spoil(
    "cut answers of catalog, cart and auth to their sisters",
    Toxic(limit_data=CUT_BYTES // 10),
    Way.DOWN,
    "catalog",
    "cart",
    "auth",
    may_fail=ORDERING,
)
SLOW_SISTERS = spoil("1 s more between orders and catalog", Toxic(latency_s=1), Way.DOWN, "catalog", may_fail=ORDERING)
LOST_ANSWERS = spoil(
    "catalog's answers to orders get lost", Toxic(timeout=True), Way.DOWN, "catalog", may_fail=ORDERING
)
LOST_ACKS = spoil("acks to the broker get lost", Toxic(timeout=True), Way.UP, "rabbitmq", may_fail=NONE)
LOST_CONFIRMS = spoil("confirms of the broker get lost", Toxic(timeout=True), Way.DOWN, "rabbitmq", may_fail=NONE)
LOST_REDIS = spoil("answers of Redis get lost", Toxic(timeout=True), Way.DOWN, "redis", may_fail=NONE)
LOST_MAILS = spoil(
    "answers of the mail server get lost",
    Toxic(timeout=True),
    Way.DOWN,
    "mailbox smtp",
    may_fail=NONE,
    copies=NOTIFIER_THREADS,
)

ALL_AT_ONCE = kill(*SERVICES, *WORKERS, called="every service and worker at once")
EVERYTHING = kill("mysql", "rabbitmq", "redis", *SERVICES, *WORKERS, called="all of it but the gateway, at once")

DEFAULT: Sequence[Group] = (
    [*map(kill, SERVICES), *map(kill, WORKERS), kill("gateway")],
    [kill("mysql"), kill("rabbitmq"), kill("redis")],
    [kill("orders", "catalog", "rabbitmq"), ALL_AT_ONCE, EVERYTHING],
    [freeze("orders"), freeze("catalog"), freeze("mysql"), freeze("rabbitmq")],
    [freeze("redis", "notifier-worker", "realtime"), FLUSH, BROKER_AWAY, REPEAT, FULL_OUTBOX],
    [SLOW_DATABASE, CUT_DATABASE, SLOW_SISTERS, CUT_SISTERS, LOST_ANSWERS],
    [LOST_ACKS, LOST_CONFIRMS, LOST_REDIS, LOST_MAILS, RESET],
    [SKEW, ROLLING],
)

TWO_OF_EACH = " ".join(f"{name}=2" for name in SERVICES)
REPLICATED: Sequence[Group] = (
    [
        kill(*(f"{name}-2" for name in SERVICES), called="one of two processes of each service, at once"),
        ROLLING_TWO,
        RENAMED,
    ],
)
"""On a stack of its own with two processes of each service."""

KNOWN = {fault.name: fault for group in DEFAULT for fault in group}


def only(words: str, groups: Sequence[Group]) -> list[Group]:
    """The faults of these whose names hold one of the words, with commas between them."""
    wanted = [word.strip() for word in words.split(",")]
    chosen = [[fault for fault in group if any(word in fault.name for word in wanted)] for group in groups]
    return [group for group in chosen if group]


def at_random(seed: int, size: int = 4) -> Iterator[Group]:
    """Groups of faults without an end, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be guessed
    while True:
        yield chance.choices(list(KNOWN.values()), k=size)

"""The guesses' room: how many wrong passwords in a row an account may be asked to bear, and from where.

Two doors stand before a password. One is per account and client address: each failure doubles the wait. The other is
per account: at most 100 failures in a row a day, from wherever; then only a one-time code or a new password helps
(design: api.md, sections 2 and 9.6). The count of an account goes up before the password is looked at and is forgotten
on success, under the lock of its row, so that guesses made at once count each. MySQL keeps the counts: an emptied Redis
must not forgive anybody.
"""

import hashlib
import math
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

from sqlalchemy import delete
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from auth.models import Guesses
from common.clock import now
from common.database import Sessions, retried
from common.errors import TooMany

LONGEST_WAIT_S = 3600
MOST_A_DAY = 100
DAY = timedelta(days=1)
CUSTOMER_BITS = 64
"""What an IPv6 customer is given whole: further addresses in it cost nothing (gateway/routes.yaml counts alike)."""


def door(*words: str) -> bytes:
    """The row that stands for these words; nobody reads a name or an address out of it."""
    return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).digest()


def lock(session: Session, which: bytes) -> Guesses:
    """The row of a door, made if need be, locked by that statement until the caller commits."""
    moment = now()
    row = {"door": which, "failures": 0, "since": moment, "shut_until": moment, "updated_at": moment}
    made = insert(Guesses).values(row)
    session.execute(made.on_duplicate_key_update(updated_at=made.inserted.updated_at))
    return session.get_one(Guesses, which, populate_existing=True)


@retried
def admit(sessions: Sessions, account: str, ip: str) -> None:
    """Let somebody try a password, which counts as a failure until `succeed` is called. Raises TooMany."""
    with sessions.begin() as session:
        pair = session.get(Guesses, _pair(account, ip))
        if pair is not None and pair.shut_until > now():
            sentence = "too many wrong passwords; wait before you try again"
            raise TooMany(sentence, code="too_many_attempts", retry_after_s=seconds_until(pair.shut_until))
        whole = lock(session, door("account", account))
        if whole.since < now() - DAY:
            whole.failures, whole.since = 0, now()
        if whole.failures >= MOST_A_DAY:
            sentence = "too many wrong passwords today; sign in with a one-time code or set a new password"
            raise TooMany(sentence, code="account_locked", retry_after_s=seconds_until(whole.since + DAY))
        if whole.failures == 0:
            whole.since = now()
        whole.failures += 1


@retried
def fail(sessions: Sessions, account: str, ip: str) -> None:
    """Note a wrong password: this client waits 2^(n-1) seconds after its n-th in a row, an hour at most."""
    with sessions.begin() as session:
        pair = lock(session, _pair(account, ip))
        pair.failures += 1
        wait_s = min(2 ** min(pair.failures - 1, 12), LONGEST_WAIT_S)
        pair.shut_until = now() + timedelta(seconds=wait_s)


@retried
def succeed(sessions: Sessions, account: str, ip: str) -> None:
    """Note a right password, whatever becomes of what it was sent for."""
    with sessions.begin() as session:
        forget(session, account, ip)


def forget(session: Session, account: str, ip: str) -> None:
    """Forget the failures of an account, and of this client with it, in the caller's transaction."""
    doors = [door("account", account), _pair(account, ip)]
    session.execute(delete(Guesses).where(Guesses.door.in_(doors)))


def network(ip: str) -> str:
    """Whoever may be behind an address: itself, or of IPv6 the 64 bits that one customer has; else what was given."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> CUSTOMER_BITS << CUSTOMER_BITS))


def _pair(account: str, ip: str) -> bytes:
    return door("pair", account, network(ip))


def seconds_until(moment: datetime) -> int:
    """What Retry-After says: whole seconds, one at least."""
    return max(1, math.ceil((moment - now()).total_seconds()))

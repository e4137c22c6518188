"""The challenges' room: secrets that are mailed to an address and sent back by whoever reads it.

A code or a token is never stored, queued or logged. It is worked out, when the mail is written and when the answer
comes, from the challenge's random seed with a key that is not in the database (docs/adr/0006). The limits are those of
the public surface (design: api.md, section 2); they are kept per address, whether an account has it or not, so that
nobody can tell the two apart.
"""

import base64
import binascii
import hmac
import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from auth.derivation import derive_key
from auth.guessing import DAY, door, lock, seconds_until
from auth.models import Challenge, Closed, Guesses, Purpose
from common.clock import now
from common.errors import TooMany

LIFE = {
    Purpose.SIGN_IN: timedelta(minutes=10),
    Purpose.PASSWORD_RESET: timedelta(hours=1),
    Purpose.EMAIL_CHECK: timedelta(hours=24),
}
"""A code by the public surface; the others at most the 24 hours of NIST SP 800-63B-4, section 4.2.1.2."""
RESEND_AFTER = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MOST_AN_HOUR = 5
MOST_TRIES = 5
MOST_DEAD = 3
"""Requests an hour and address, tries a code, and codes guessed to death within an hour before the door is shut."""
MOST_IN_A_ROW = 100
"""Wrong codes in a row, however many codes they were tried at (NIST SP 800-63B-4, sections 3.1.3.2 and 3.2.2)."""
DIGITS = 6
TOKEN_BYTES = 16 + 32
"""A token is the challenge's id and its secret half."""


class Challenges:
    """Opens challenges, tells their secrets to whoever mails them, and takes answers."""

    def __init__(self, secret: str) -> None:
        self._key = derive_key(secret, "stoa challenges")

    def request(self, session: Session, purpose: Purpose, email_key: str) -> Challenge:
        """Open one because somebody asked for it, in the caller's transaction; an older one is superseded.

        Raises TooMany by the address's limits.
        """
        gate = lock(session, door(purpose, email_key))
        _check_shut(gate)
        _check_pace(session, purpose, email_key)
        live = _live(session, purpose, email_key)
        if live is not None:
            live.close(Closed.SUPERSEDED)
        return self.open(session, purpose, email_key)

    def open(self, session: Session, purpose: Purpose, email_key: str) -> Challenge:
        """Open one that nobody had to ask for."""
        challenge = Challenge(
            purpose=purpose,
            email_key=email_key,
            seed=secrets.token_bytes(32),
            expires_at=now() + LIFE[purpose],
        )
        session.add(challenge)
        session.flush()
        return challenge

    def secret(self, challenge: Challenge) -> str:
        """What the mail has to say: six digits for a sign-in, else a token for a link."""
        if challenge.purpose == Purpose.SIGN_IN:
            return self._code(challenge)
        token = base64.urlsafe_b64encode(challenge.id.bytes + self._mac(challenge))
        return token.decode()

    def accepts_code(self, session: Session, email_key: str, code: str) -> bool:
        """Whether this is the live code of the address, which is then used up; a wrong one is counted.

        Counting, comparing and using are one step under the lock of the address, in the caller's transaction, which
        must commit whatever the outcome. Raises TooMany once too many codes were guessed to death, or too many guesses
        went wrong without a right one between them: after that one guess a day is taken.
        """
        gate = lock(session, door(Purpose.SIGN_IN, email_key))
        _check_shut(gate)
        challenge = _live(session, Purpose.SIGN_IN, email_key)
        if challenge is None:
            return False
        challenge.tries += 1
        if hmac.compare_digest(self._code(challenge).encode(), code.encode()):
            challenge.close(Closed.USED)
            gate.failures = 0
            return True
        gate.failures += 1
        if challenge.tries >= MOST_TRIES:
            challenge.close(Closed.DEAD)
            session.flush()
            _shut_when_too_many_died(session, gate, email_key)
        if gate.failures >= MOST_IN_A_ROW:
            challenge.close(Closed.DEAD)
            gate.shut_until = now() + DAY
        return False

    def take(self, session: Session, purpose: Purpose, token: str) -> Challenge | None:
        """The open challenge of a token, used up in the caller's transaction, or None."""
        challenge = self.find(session, purpose, token, to_use=True)
        if challenge is not None:
            challenge.close(Closed.USED)
        return challenge

    def find(self, session: Session, purpose: Purpose, token: str, *, to_use: bool = False) -> Challenge | None:
        """The open challenge of a token, or None; `to_use` lets nobody else answer it until the caller commits."""
        raw = _bytes(token)
        if raw is None:
            return None
        challenge = session.get(Challenge, UUID(bytes=raw[:16]), with_for_update=to_use or None)
        if challenge is None or challenge.purpose != purpose or not challenge.is_open:
            return None
        return challenge if hmac.compare_digest(self._mac(challenge), raw[16:]) else None

    def _code(self, challenge: Challenge) -> str:
        """Six digits, each equally likely but for one part in 10^13."""
        return f"{int.from_bytes(self._mac(challenge)[:8]) % 10**DIGITS:0{DIGITS}d}"

    def _mac(self, challenge: Challenge) -> bytes:
        words = (challenge.purpose.encode(), challenge.email_key.encode(), challenge.id.bytes + challenge.seed)
        return hmac.digest(self._key, b"\0".join(words), "sha256")


def withdraw(session: Session, purpose: Purpose, email_key: str) -> None:
    """Let what was mailed to an address for this purpose open nothing any more, in the caller's transaction."""
    mailed = update(Challenge).where(
        Challenge.email_key == email_key, Challenge.purpose == purpose, Challenge.closed_at.is_(None)
    )
    session.execute(mailed.values(closed_at=now(), closed_for=Closed.SUPERSEDED))


def _live(session: Session, purpose: Purpose, email_key: str) -> Challenge | None:
    latest = (
        select(Challenge)
        .where(Challenge.email_key == email_key, Challenge.purpose == purpose, Challenge.closed_at.is_(None))
        .order_by(Challenge.created_at.desc())
        .limit(1)
    )
    challenge = session.scalar(latest)
    return challenge if challenge is not None and challenge.is_open else None


def _check_shut(gate: Guesses) -> None:
    if gate.shut_until > now():
        sentence = "too many codes were guessed at for this address; wait, or sign in with the password"
        raise TooMany(sentence, code="otp_locked", retry_after_s=seconds_until(gate.shut_until))


def _check_pace(session: Session, purpose: Purpose, email_key: str) -> None:
    moments = select(Challenge.created_at).where(
        Challenge.email_key == email_key, Challenge.purpose == purpose, Challenge.created_at > now() - HOUR
    )
    lately = sorted(session.scalars(moments))
    waits = []
    if lately:
        waits.append(lately[-1] + RESEND_AFTER)
    if len(lately) >= MOST_AN_HOUR:
        waits.append(lately[-MOST_AN_HOUR] + HOUR)
    if waits and max(waits) > now():
        sentence = "a mail to this address was asked for already; wait before you ask for the next"
        raise TooMany(sentence, retry_after_s=seconds_until(max(waits)))


def _shut_when_too_many_died(session: Session, gate: Guesses, email_key: str) -> None:
    dead = select(func.count()).where(
        Challenge.email_key == email_key, Challenge.closed_for == Closed.DEAD, Challenge.closed_at > now() - HOUR
    )
    if (session.scalar(dead) or 0) >= MOST_DEAD:
        gate.shut_until = now() + HOUR


def _bytes(token: str) -> bytes | None:
    try:
        raw = base64.b64decode(token.encode("ascii", "strict"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == TOKEN_BYTES else None

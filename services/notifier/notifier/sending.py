"""How a mail is sent: claimed by one worker, handed to the mail server, and closed, whatever becomes of it.

The secret of a mail is asked for here and given to the post; between the two it is in this worker's memory only.
"""

from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common import tracing
from common.database import Sessions, is_conflict, retried
from common.errors import Unavailable
from notifier.claims import claim, forget, give_back, note_sent
from notifier.clients import Challenge, Challenges
from notifier.mail import Post, Refused, reason
from notifier.models import NOBODY, Notification
from notifier.wording import PURPOSES

OVER = "it had expired or was used before it could be sent"

Closing = Callable[[Session], None]
"""Writes down what has become of a mail."""


def send_mails(sessions: Sessions, ids: Sequence[UUID], post: Post, challenges: Challenges) -> None:
    """Send each mail that nobody else has in hand; one that fails does not hold up the others.

    Each is closed before the next one goes to the mail server: a worker that dies has sent one at most for nothing.
    """
    close: Closing = _nothing
    for mail in _read(sessions, ids):
        if _take_in_turn(sessions, close, mail):
            mail.attempts += 1
            close = _try(sessions, mail, post, challenges)
        else:
            close = _nothing
    _close(sessions, close)


def _read(sessions: Sessions, ids: Sequence[UUID]) -> list[Notification]:
    with sessions.begin() as session:
        found = {mail.id: mail for mail in session.scalars(select(Notification).where(Notification.id.in_(ids)))}
    return [found[mail_id] for mail_id in ids if mail_id in found]


def _take_in_turn(sessions: Sessions, close: Closing, mail: Notification) -> bool:
    """Close the mail before and claim this one, in one transaction, which saves every second one.

    If somebody holds this one, closing comes first: what has been sent must not be sent again for another's sake.
    """
    try:
        return _close_and_claim(sessions, close, mail)
    except Exception as error:
        if not is_conflict(error):
            raise
    _close(sessions, close)
    return retried(_close_and_claim)(sessions, _nothing, mail)


def _close_and_claim(sessions: Sessions, close: Closing, mail: Notification) -> bool:
    with sessions.begin() as session:
        close(session)
        return claim(session, mail)


@retried
def _close(sessions: Sessions, close: Closing) -> None:
    with sessions.begin() as session:
        close(session)


def _try(sessions: Sessions, mail: Notification, post: Post, challenges: Challenges) -> Closing:
    try:
        with tracing.span(f"mail {mail.type}", "consumer", mail.traceparent):
            return _send(sessions, mail, post, challenges)
    except Refused as refusal:
        return _failed(mail, str(refusal), for_good=True)
    except Exception as error:  # whatever keeps a mail back, it is tried again and stays visible
        return _failed(mail, reason(error, secret=mail.challenge_id is not None), for_good=False)


def _send(sessions: Sessions, mail: Notification, post: Post, challenges: Challenges) -> Closing:
    """Ask auth for the secret if there is to be one, and hand the mail over. Raises Refused for good."""
    if mail.has_expired:
        raise Refused(OVER)
    challenge = _secret_of(mail, challenges)
    if challenge is not None:
        mail = _address(sessions, mail.id, challenge)
    elif mail.is_nobodys:
        return partial(forget, mail=mail)
    elif mail.is_worthless_without_secret:
        raise Refused(OVER)
    post.deliver(mail, challenge)
    mail.succeed()
    return partial(note_sent, mail=mail)


def _secret_of(mail: Notification, challenges: Challenges) -> Challenge | None:
    if mail.challenge_id is None:
        return None
    challenge = challenges.look_up(mail.challenge_id, PURPOSES[mail.type])
    if challenge is not None and mail.user_id not in (NOBODY, challenge.user_id):
        raise Unavailable("auth answered for somebody else", code="auth_unavailable")
    return challenge


@retried
def _address(sessions: Sessions, mail_id: UUID, challenge: Challenge) -> Notification:
    """A secret goes to no other address than the one it proves; the owner sees the mail from now on."""
    with sessions.begin() as session:
        mail = session.get_one(Notification, mail_id, with_for_update=True)
        mail.address_to(challenge.user_id, challenge.email, challenge.name)
        return mail


def _failed(mail: Notification, error: str, *, for_good: bool) -> Closing:
    mail.fail(error, for_good=for_good)
    return partial(give_back, mail=mail)


def _nothing(_: Session) -> None:
    """There is no mail to close."""

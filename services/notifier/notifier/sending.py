"""How a mail is sent: claimed by one worker, handed to the mail server, and closed, whatever becomes of it.

The secret of a mail is asked for here and given to the post; between the two it is in this worker's memory only.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from common.database import Sessions, retried
from common.errors import Unavailable
from notifier.clients import Challenge, Challenges
from notifier.mail import Post, Refused, reason
from notifier.models import NOBODY, Notification
from notifier.wording import PURPOSES

OVER = "it had expired or was used before it could be sent"

Outcome = Callable[[Session, Notification], None]


def send_mails(sessions: Sessions, ids: Iterable[UUID], post: Post, challenges: Challenges) -> None:
    """Send each mail that nobody else has in hand; one that fails does not hold up the others."""
    for mail_id in ids:
        mail = _claim(sessions, mail_id)
        if mail is not None:
            _close(sessions, mail_id, _try(sessions, mail, post, challenges))


def _try(sessions: Sessions, mail: Notification, post: Post, challenges: Challenges) -> Outcome:
    try:
        return _send(sessions, mail, post, challenges)
    except Refused as refusal:
        return _failed(str(refusal), for_good=True)
    except Exception as error:  # whatever keeps a mail back, it is tried again and stays visible
        return _failed(reason(error, secret=mail.challenge_id is not None), for_good=False)


def _send(sessions: Sessions, mail: Notification, post: Post, challenges: Challenges) -> Outcome:
    """Ask auth for the secret if there is to be one, and hand the mail over. Raises Refused for good."""
    if mail.has_expired:
        raise Refused(OVER)
    challenge = _secret_of(mail, challenges)
    if challenge is not None:
        mail = _address(sessions, mail.id, challenge)
    elif mail.is_nobodys:
        return _forgotten
    elif mail.is_worthless_without_secret:
        raise Refused(OVER)
    post.deliver(mail, challenge)
    return _sent


def _secret_of(mail: Notification, challenges: Challenges) -> Challenge | None:
    if mail.challenge_id is None:
        return None
    challenge = challenges.look_up(mail.challenge_id, PURPOSES[mail.type])
    if challenge is not None and mail.user_id not in (NOBODY, challenge.user_id):
        raise Unavailable("auth answered for somebody else", code="auth_unavailable")
    return challenge


def _sent(_: Session, row: Notification) -> None:
    row.succeed()


def _failed(error: str, *, for_good: bool) -> Outcome:
    return lambda _, row: row.fail(error, for_good=for_good)


def _forgotten(session: Session, row: Notification) -> None:
    """Of an address that is nobody's nothing remains."""
    session.delete(row)


@retried
def _claim(sessions: Sessions, mail_id: UUID) -> Notification | None:
    with sessions.begin() as session:
        mail = session.get(Notification, mail_id, with_for_update=True)
        return mail if mail is not None and mail.claim() else None


@retried
def _address(sessions: Sessions, mail_id: UUID, challenge: Challenge) -> Notification:
    """A secret goes to no other address than the one it proves; the owner sees the mail from now on."""
    with sessions.begin() as session:
        mail = session.get_one(Notification, mail_id, with_for_update=True)
        mail.address_to(challenge.user_id, challenge.email, challenge.name)
        return mail


@retried
def _close(sessions: Sessions, mail_id: UUID, outcome: Outcome) -> None:
    """Another worker may have closed the mail of one that was too slow, and have left nothing of it."""
    with sessions.begin() as session:
        row = session.get(Notification, mail_id, with_for_update=True)
        if row is not None:
            outcome(session, row)

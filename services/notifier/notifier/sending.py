"""How a mail is sent: claimed by one worker, handed to the mail server, and closed, whatever becomes of it."""

from collections.abc import Callable, Iterable
from uuid import UUID

from common.database import Sessions, retried
from notifier.mail import Post, Refused
from notifier.models import Notification


def send_mails(sessions: Sessions, ids: Iterable[UUID], post: Post) -> None:
    """Send each mail that nobody else has in hand; one that fails does not hold up the others."""
    for mail_id in ids:
        mail = _claim(sessions, mail_id)
        if mail is not None:
            _close(sessions, mail_id, _deliver(mail, post))


def _deliver(mail: Notification, post: Post) -> Callable[[Notification], None]:
    try:
        post.deliver(mail)
    except Refused as refusal:
        reason = str(refusal)
        return lambda row: row.fail(reason, for_good=True)
    except Exception as error:  # whatever keeps a mail back, it is tried again and stays visible
        reason = repr(error)
        return lambda row: row.fail(reason, for_good=False)
    return Notification.succeed


@retried
def _claim(sessions: Sessions, mail_id: UUID) -> Notification | None:
    with sessions.begin() as session:
        mail = session.get(Notification, mail_id, with_for_update=True)
        return mail if mail is not None and mail.claim() else None


@retried
def _close(sessions: Sessions, mail_id: UUID, outcome: Callable[[Notification], None]) -> None:
    with sessions.begin() as session:
        outcome(session.get_one(Notification, mail_id, with_for_update=True))

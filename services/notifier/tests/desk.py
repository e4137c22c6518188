"""The tests' own desk: queues mails, sends them without a worker, and reads what became of them."""

from email.message import EmailMessage
from typing import Any

from sqlalchemy import select

from common.database import Sessions
from common.http import Sister
from common.service_tokens import Badge
from notifier.clients import Challenges
from notifier.mail import Post
from notifier.models import Notification
from notifier.queueing import queue_mails
from notifier.sending import send_mails

from .postoffice import PostOffice


def all_mails(sessions: Sessions) -> list[Notification]:
    with sessions.begin() as session:
        return list(session.scalars(select(Notification).order_by(Notification.id)))


def only_mail(sessions: Sessions) -> Notification:
    (mail,) = all_mails(sessions)
    return mail


def queue(sessions: Sessions, *events: Any) -> list[Notification]:
    with sessions.begin() as session:
        queue_mails(session, events)
    return all_mails(sessions)


def send(sessions: Sessions, office: PostOffice, challenges: Challenges | None = None, url: str = "") -> None:
    """As a worker would. Without `challenges` there is no auth."""
    challenges = challenges or Challenges(Sister("auth", "http://127.0.0.1:9", Badge("notifier"), timeout_s=1))
    with Post(url or office.url, "Stoa <shop@stoa.example>", "http://shop") as post:
        send_mails(sessions, [mail.id for mail in all_mails(sessions)], post, challenges)


def text_of(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())

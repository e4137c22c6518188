"""The Celery door of notifier: sends mails, a handful per task over one connection, and visits webhooks."""

import ssl
from collections.abc import Sequence
from functools import cache
from uuid import UUID

from common.celery import enqueue as hand_over
from common.celery import new_celery
from common.database import Sessions, new_engine, new_sessions
from common.http import Sister
from common.service_tokens import Badge
from notifier import sending
from notifier.clients import Challenges
from notifier.hooks import visiting
from notifier.hooks.courier import Courier
from notifier.hooks.signatures import Seal
from notifier.mail import Post
from notifier.settings import NotifierSettings

HANDFUL = 20
"""Mails per task: a connection's cost is shared, and a task stays far below its time limit."""
AUTH_S = 2.0
"""How long auth may take to tell the secret of a mail."""

celery = new_celery("notifier", "notifier.tasks")


@celery.task(name="notifier.send_mails")  # type: ignore[untyped-decorator]  # Celery has no types
def send_mails(ids: list[str]) -> None:
    """Send these mails."""
    settings = _settings()
    with Post(settings.smtp_url, settings.mail_from, settings.public_url) as post:
        sending.send_mails(_sessions(), [UUID(mail_id) for mail_id in ids], post, _challenges())


def enqueue(ids: Sequence[UUID]) -> None:
    """Hand mails to the workers. Raises ConnectionError when the broker is away or silent."""
    words = [str(mail_id) for mail_id in ids]
    hand_over(send_mails, *([words[start : start + HANDFUL]] for start in range(0, len(words), HANDFUL)))


@celery.task(name="notifier.visit_endpoint")  # type: ignore[untyped-decorator]  # Celery has no types
def visit_endpoint(endpoint_id: str, before: int) -> None:
    """Deliver what is due at an endpoint."""
    settings = _settings()
    with Courier(settings.webhook_policy, _trusted()) as courier:
        visiting.visit(_sessions(), UUID(endpoint_id), before, courier, Seal(settings.webhook_key))


def enqueue_visits(visits: Sequence[tuple[UUID, int]]) -> None:
    """Send the workers to endpoints. Raises ConnectionError when the broker is away or silent."""
    hand_over(visit_endpoint, *([str(endpoint_id), before] for endpoint_id, before in visits))


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that this machine trusts."""
    return ssl.create_default_context()


@cache
def _settings() -> NotifierSettings:
    return NotifierSettings()


@cache
def _sessions() -> Sessions:
    return new_sessions(new_engine(_settings().database_url))


@cache
def _challenges() -> Challenges:
    badge = Badge("notifier", _settings().service_key)
    return Challenges(Sister("auth", _settings().auth_url, badge, timeout_s=AUTH_S))

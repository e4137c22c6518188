"""The writing desk: makes a mail out of templates and hands it to the mail server."""

import smtplib
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formataddr, formatdate, parseaddr
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from notifier.models import Notification

CONNECT_S = 5
ANSWER_S = 20
"""Time-outs of SMTP (design: reliability 3.7)."""
FOR_GOOD = 500
"""Replies from here on are permanent (RFC 5321, section 4.2.1)."""

templates = Environment(
    loader=PackageLoader("notifier"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Refused(Exception):
    """The mail server will never take this mail."""


def compose(mail: Notification, sender: str, public_url: str) -> EmailMessage:
    """The mail in plain text and HTML. Its Message-ID is the notification's, also when it is sent again."""
    facts: dict[str, Any] = mail.data | {"subject": mail.subject, "public_url": public_url}
    message = EmailMessage()
    message["Subject"] = mail.subject
    message["From"] = sender
    message["To"] = formataddr((str(mail.data["name"]), mail.email))
    message["Date"] = formatdate(mail.created_at.timestamp())
    message["Message-ID"] = f"<{mail.id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(templates.get_template(f"{mail.type}.txt").render(facts))
    message.add_alternative(templates.get_template(f"{mail.type}.html").render(facts), subtype="html")
    return message


class Post:
    """One connection to the mail server for a handful of mails, opened when the first is handed over."""

    def __init__(self, smtp_url: str, sender: str, public_url: str) -> None:
        self._url = urlsplit(smtp_url)
        self._sender = sender
        self._public_url = public_url
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._hang_up()

    def deliver(self, mail: Notification) -> None:
        """Hand a mail over. Raises Refused for good, and smtplib's errors or OSError for now."""
        message = compose(mail, self._sender, self._public_url)
        try:
            self._connected().send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            if code >= FOR_GOOD:
                raise Refused(f"{code} {text.decode(errors='replace')}") from error
            raise
        except (smtplib.SMTPServerDisconnected, OSError):
            self._hang_up()
            raise

    def _connected(self) -> smtplib.SMTP:
        if self._server is None:
            self._server = self._connect()
        return self._server

    def _connect(self) -> smtplib.SMTP:
        kind = smtplib.SMTP_SSL if self._url.scheme == "smtps" else smtplib.SMTP
        server = kind(self._url.hostname or "127.0.0.1", self._url.port or 25, timeout=CONNECT_S)
        if server.sock is not None:
            server.sock.settimeout(ANSWER_S)
        if self._url.username:
            if self._url.scheme != "smtps":
                server.starttls()
            server.login(unquote(self._url.username), unquote(self._url.password or ""))
        return server

    def _hang_up(self) -> None:
        if self._server is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._server.quit()
            self._server = None

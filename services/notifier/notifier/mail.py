"""The writing desk: makes a mail out of templates and hands it to the mail server."""

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formataddr, formatdate, parseaddr
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from notifier.models import Notification

CONNECT_S = 5
ANSWER_S = 10
"""How long the mail server may take to connect, and for each answer; a mail needs four of them."""
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
    message["To"] = formataddr((" ".join(str(mail.data["name"]).split()), mail.email))
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
        self._away: Exception | None = None

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
        except smtplib.SMTPDataError as error:
            if error.smtp_code >= FOR_GOOD:
                raise Refused(str(error)) from error
            raise
        except (smtplib.SMTPServerDisconnected, OSError):
            self._let_go()
            raise

    def _connected(self) -> smtplib.SMTP:
        """The connection; a server that could not be reached is not asked again for the mails that follow."""
        if self._away is not None:
            raise self._away
        try:
            self._server = self._server or self._connect()
        except (smtplib.SMTPException, OSError) as error:
            self._away = error
            raise
        return self._server

    def _connect(self) -> smtplib.SMTP:
        host, secure = self._url.hostname or "127.0.0.1", self._url.scheme == "smtps"
        if secure:
            port, trust = self._url.port or smtplib.SMTP_SSL_PORT, ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=CONNECT_S, context=trust)
        else:
            server = smtplib.SMTP(host, self._url.port or smtplib.SMTP_PORT, timeout=CONNECT_S)
        try:
            self._sign_in(server, secure=secure)
        except BaseException:
            server.close()
            raise
        return server

    def _sign_in(self, server: smtplib.SMTP, *, secure: bool) -> None:
        """A password goes over an encrypted connection to a server with a good certificate only."""
        if server.sock is not None:
            server.sock.settimeout(ANSWER_S)
        if self._url.username:
            if not secure:
                server.starttls(context=ssl.create_default_context())
            server.login(unquote(self._url.username), unquote(self._url.password or ""))

    def _let_go(self) -> None:
        """Drop a connection that has failed; saying goodbye on it would only wait once more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _hang_up(self) -> None:
        if self._server is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._server.quit()
            self._server = None

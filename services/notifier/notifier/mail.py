"""The writing desk: makes a mail out of templates and hands it to the mail server."""

import re
import smtplib
import ssl
from contextlib import suppress
from email.utils import formatdate, parseaddr
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from common.clock import now
from common.errors import Unavailable
from notifier.clients import Challenge
from notifier.letter import letter, mailbox, words
from notifier.models import Notification
from notifier.wording import at_the_clock

CONNECT_S = 5
ANSWER_S = 10
"""How long the mail server may take to connect, and for each answer; a mail needs four of them."""
ONE_ADDRESS = re.compile(r"""[^\s@<>()\[\],;:"\\]+@[^\s@<>()\[\],;:"\\]+""")
"""Nothing in it ends a header, begins another or names a second recipient (RFC 5322, section 3.4.1, without quotes)."""
FOR_GOOD = 500
"""Replies from here on are permanent (RFC 5321, section 4.2.1)."""

PARTS = {"plain": "txt", "html": "html"}
"""The parts of a mail and the endings of their templates."""

templates = Environment(
    loader=PackageLoader("notifier"),
    autoescape=select_autoescape(["html"]),
    auto_reload=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Refused(Exception):
    """This mail will never be sent."""


def reason(error: Exception, *, secret: bool) -> str:
    """Why a mail was kept back. If a secret is in it, in words that cannot have been quoted from it.

    A reply to the content of a mail may quote it, and so may the complaint of whoever could not encode it.
    """
    if not secret:
        return repr(error)
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__}({error.smtp_code})"
    return repr(error) if isinstance(error, OSError | Unavailable) else type(error).__name__


def compose(mail: Notification, sender: str, public_url: str, challenge: Challenge | None = None) -> bytes:
    """The mail in plain text and HTML. Its Message-ID is the notification's, also when it is sent again."""
    if not ONE_ADDRESS.fullmatch(mail.email):
        raise Refused("this is not one address")
    facts = mail.data | {"subject": mail.subject, "public_url": public_url} | _secret(challenge)
    name, address = parseaddr(sender)
    headers = {
        "Subject": words(mail.subject, "Subject"),
        "From": mailbox(name, address, "From"),
        "To": mailbox(str(mail.data["name"]), mail.email, "To"),
        "Date": formatdate(mail.created_at.timestamp()),
        "Message-ID": f"<{mail.id}@{address.rpartition('@')[2]}>",
        "Auto-Submitted": "auto-generated",
    }
    texts = {kind: templates.get_template(f"{mail.type}.{ending}").render(facts) for kind, ending in PARTS.items()}
    return letter(headers, texts)


def _secret(challenge: Challenge | None) -> dict[str, Any]:
    """What a template may say of it."""
    if challenge is None:
        return {"secret": None}
    minutes = max(1, round((challenge.expires_at - now()).total_seconds() / 60))
    return {
        "secret": challenge.secret.get_secret_value(),
        "minutes": minutes,
        "until": at_the_clock(challenge.expires_at),
    }


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

    def deliver(self, mail: Notification, challenge: Challenge | None = None) -> None:
        """Hand a mail over, with its secret. Raises Refused for good, and smtplib's errors or OSError for now."""
        written = compose(mail, self._sender, self._public_url, challenge)
        try:
            self._connected().sendmail(parseaddr(self._sender)[1], [mail.email], written)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            if code >= FOR_GOOD:
                raise Refused(f"{code} {text.decode(errors='replace')}") from error
            raise
        except smtplib.SMTPDataError as error:
            if error.smtp_code >= FOR_GOOD:
                raise Refused(reason(error, secret=challenge is not None)) from error
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

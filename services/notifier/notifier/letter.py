"""The letter's room: how a mail looks on its way, in plain text and HTML.

The standard library's older classes write it; `EmailMessage`, which parses again what it is given, takes many times
as long.
"""

from collections.abc import Mapping
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import Compat32
from email.utils import formataddr

UTF8 = Charset("utf-8")
UTF8.body_encoding = QP
"""Readable in the raw, which base64 is not."""
BETWEEN = "=_"
"""The boundary of parts: no quoted-printable text can hold it (RFC 2045, section 6.7), so none has to be searched."""


class AsWritten(Compat32):
    """Writes headers as they are: `words` has folded what may be long, and would only have it folded again."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """The header's line, or lines."""
        return f"{name}: {value}{self.linesep}".encode("ascii")


ON_ITS_WAY = AsWritten(linesep="\r\n")
"""Lines end as SMTP demands (RFC 5321, section 2.3.8)."""


def letter(headers: Mapping[str, str], parts: Mapping[str, str]) -> bytes:
    """A mail that says the same in each part, of these subtypes of text; the last one is the best.

    Raises UnicodeEncodeError for an address beyond ASCII.
    """
    mail = MIMEMultipart("alternative", BETWEEN)
    for name, value in headers.items():
        value.encode("ascii")
        mail[name] = value
    for subtype, text in parts.items():
        lines = "\n".join(text.splitlines()) + "\n"
        mail.attach(MIMEText(lines, subtype, UTF8))  # type: ignore[arg-type]  # a Charset may be given since 3.5
    return mail.as_bytes(policy=ON_ITS_WAY)


def words(text: str, header: str) -> str:
    """Text for a header of this name: in lines that are short enough, encoded where ASCII does not do.

    Line breaks in it become spaces, so nothing in it begins another header.
    """
    return Header(" ".join(text.split()), header_name=header).encode(linesep="\r\n")


def mailbox(name: str, address: str, header: str) -> str:
    """Somebody's name and address for a header."""
    name = " ".join(name.split())
    if name.isascii():
        return words(formataddr((name, address)), header)
    return f"{words(name, header)}\r\n <{address}>"

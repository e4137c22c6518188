"""The letter's room: how a mail looks on its way, headers and two parts, written straight into bytes.

The standard library's `EmailMessage` parses again what it is given; here the shape is always the same, and writing it
costs a tenth.
"""

from binascii import b2a_qp
from collections.abc import Mapping
from email.header import Header
from email.utils import formataddr

BOUNDARY = "=_stoa"
"""In no part: what is written quoted-printable never holds these two characters (RFC 2045, section 6.7)."""
OUTER = f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{BOUNDARY}"\r\n\r\n'
INNER = '--{}\r\nContent-Type: text/{}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'


def letter(headers: Mapping[str, str], parts: Mapping[str, str]) -> bytes:
    """A mail that says the same in each part, of these subtypes of text; the last one is the best.

    Raises UnicodeEncodeError for an address beyond ASCII.
    """
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + OUTER
    written = [head.encode("ascii")]
    for subtype, text in parts.items():
        written += [INNER.format(BOUNDARY, subtype).encode("ascii"), _quoted(text)]
    return b"".join([*written, f"--{BOUNDARY}--\r\n".encode("ascii")])


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


def _quoted(text: str) -> bytes:
    """Quoted-printable, each line with the end that SMTP demands (RFC 5321, section 2.3.8)."""
    lines = b"".join(line + b"\r\n" for line in text.encode().splitlines())
    return b2a_qp(lines, istext=True)

"""How a mail is written: a reader finds again whatever stands in it, and no server is given what it may not take."""

import email
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses

import pytest

from notifier.letter import letter, mailbox, words

from .desk import text_of

pytestmark = pytest.mark.unit

LONG = "Zoë Ångström-Černá " * 10
NAMES = ["Ada", "Lovelace, Ada", 'The "Countess"', "Zoë", "Zoë, <eve@example.com>", LONG.strip(), "x" * 200]
TEXTS = [
    "one line without an end",
    "a dot\n.\n.. and two\n",
    "--==\n--===============1==--\n",
    "--=_\n\n--=_--\n",
    "From here\n =41 is no A\ttab\n trailing blank \n",
    "a wide line " * 100 + "\n",
    "çay, 茶, 🫖 " * 40 + "\n",
]


def read(written: bytes) -> EmailMessage:
    """As a reader would; everything in it must be what any mail server takes (RFC 5322, section 2.1.1)."""
    lines = written.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert written.isascii()
    read = email.message_from_bytes(written, policy=default)
    assert not read.defects
    return read  # type: ignore[return-value]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_arrives_whole_and_is_no_second_address(name: str) -> None:
    written = letter({"To": mailbox(name, "ada@example.com", "To")}, {"plain": "Hello"})
    assert len(read(written)["To"].addresses) == 1
    ((shown, address),) = getaddresses([email.message_from_bytes(written)["To"]])
    assert (str(make_header(decode_header(shown))), address) == (name, "ada@example.com")


def test_what_is_long_and_beyond_ascii_is_folded() -> None:
    written = letter({"Subject": words(LONG, "Subject"), "To": mailbox(LONG, "ada@example.com", "To")}, {"plain": ""})
    assert read(written)["Subject"] == LONG.strip()
    assert max(map(len, written.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"])
def test_a_line_break_begins_no_header(ending: str) -> None:
    name = f"Ada{ending}Bcc: eve@example.com"
    written = letter({"Subject": words(name, "Subject"), "To": mailbox(name, "ada@example.com", "To")}, {"plain": ""})
    assert sorted(read(written).keys()) == ["Content-Type", "MIME-Version", "Subject", "To"]


def test_an_address_beyond_ascii_is_refused() -> None:
    for name in ("Ada", "Zoë"):
        with pytest.raises(UnicodeEncodeError):
            letter({"To": mailbox(name, "zoë@example.com", "To")}, {})


@pytest.mark.parametrize("text", TEXTS)
def test_each_part_arrives_as_it_was_written(text: str) -> None:
    mail = read(letter({"Subject": "Both"}, {"plain": text, "html": f"<p>{text}"}))
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert text_of(mail, "plain").splitlines() == text.splitlines()
    assert text_of(mail, "html").splitlines() == f"<p>{text}".splitlines()


def test_a_lone_carriage_return_is_the_end_of_a_line() -> None:
    """Servers that take it for one and servers that do not would otherwise read two different mails."""
    mail = read(letter({}, {"plain": "one\r.\rtwo\n\rthree\r"}))
    assert text_of(mail, "plain").splitlines() == ["one", ".", "two", "", "three"]

"""How mails look: complete on their own, narrow where the screen is, and legible in the dark."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from uuid import UUID

import pytest

from common.events import Event
from common.ids import new_id
from notifier.mail import PARTS, templates
from notifier.wording import WORDINGS, word

from .telling import (
    cancelled,
    code_requested,
    imported,
    moved,
    placed,
    ran_low,
    registered,
    reset_requested,
    revoked,
    updated,
)

pytestmark = pytest.mark.unit

USER = new_id()
SHARED = {"button", "facts", "frame", "lines", "reasons"}
SHOP = "http://shop"
WITH_SECRET = {"secret": "tokentoken", "minutes": 10, "until": "14:05 UTC on 25 November 2026"}
EVENTS: list[Event] = [
    registered(USER),
    updated(USER, 2, "Adela", previous="ada@example.com", challenge=UUID(int=9)),
    code_requested(UUID(int=8)),
    reset_requested(UUID(int=7)),
    revoked(USER, 2, "password_changed"),
    revoked(USER, 2, "refresh_reused"),
    placed(USER),
    moved(USER, new_id(), 2, "pending", "processing"),
    cancelled(USER, new_id()),
    imported(USER),
    imported(USER).model_copy(update={"duplicates": 3, "status": "failed"}),
    ran_low(name="Oil lamp <brass>"),
    ran_low(sku=None, stock=0),
]
EMPTY = {"meta", "br"}
DARK = {"page", "card", "code", "faint", "link"}
"""Classes for which there are colours in the dark."""


def written(event: Event, ending: str) -> Iterator[tuple[str, str]]:
    """Type and text of each mail about the event."""
    for wording in word(event):
        facts = {"name": "Ada", "subject": wording.subject, "public_url": SHOP} | WITH_SECRET
        yield wording.type, templates.get_template(f"{wording.type}.{ending}").render(wording.data | facts)


class Tags(HTMLParser):
    """Checks that what is opened is closed, and keeps what was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


HTML = [mail for event in EVENTS for mail in written(event, "html")]
TEXT = [mail for event in EVENTS for mail in written(event, "txt")]
KINDS = [kind for kind, _ in HTML]
html = pytest.mark.parametrize("mail", [mail for _, mail in HTML], ids=KINDS)


def test_each_mail_has_both_parts_and_each_is_looked_at_here() -> None:
    assert {type(event) for event in EVENTS} == WORDINGS.keys()
    names = {name for name in templates.list_templates() if name.partition(".")[0] not in SHARED}
    assert names == {f"{kind}.{ending}" for kind, _ in HTML for ending in PARTS.values()}


@html
def test_a_mail_is_one_whole_page_that_needs_nothing_from_elsewhere(mail: str) -> None:
    tags = Tags(mail).seen
    assert [tag for tag, _ in tags].count("body") == 1
    assert not {tag for tag, _ in tags} & {"img", "link", "script", "iframe", "form"}
    assert not any("src" in attributes or "url(" in attributes.get("style", "") for _, attributes in tags)
    links = {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert all(link == SHOP or link.startswith(f"{SHOP}/account/") for link in links)


@html
def test_a_mail_is_no_wider_than_a_telephone(mail: str) -> None:
    widths = {attributes["width"] for _, attributes in Tags(mail).seen if "width" in attributes}
    assert all(width.endswith("%") for width in widths), "what is as wide as so many pixels stays so"
    assert "max-width:560px" in mail


@html
def test_whatever_has_a_colour_has_another_one_in_the_dark(mail: str) -> None:
    tags = Tags(mail).seen
    assert {"name": "color-scheme", "content": "light dark"} in [attributes for _, attributes in tags]
    for tag, attributes in tags:
        coloured = re.search(r"(^|;)(color|background):", attributes.get("style", ""))
        is_button = "background:#8a5a2b;color:#fff" in attributes.get("style", "")
        assert not coloured or is_button or DARK & set(attributes.get("class", "").split()), (tag, attributes)
    assert all(f".{name}" in mail for name in DARK)


@pytest.mark.parametrize("mail", [mail for _, mail in TEXT], ids=KINDS)
def test_plain_text_is_text(mail: str) -> None:
    lines = mail.splitlines()
    assert "" not in (lines[0], lines[2], lines[-1])
    assert lines[1] == "", "the greeting stands alone"
    assert "\n\n-- \nSent by " in mail, "a signature, as readers know one"
    assert not re.search(r"\n{4}|</?(p|td|strong|br|a)\b", mail)
    assert not any(line != line.rstrip() for line in lines if line != "-- ")
    assert lines[2][0].isupper()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("customer", "is cancelled, as you asked."),
        ("inventory", "is cancelled, since we no longer have all of it."),
        ("declined", "is cancelled, since the payment was declined."),
        ("expired", "is cancelled, since it was not completed in time."),
        ("fraud", "is cancelled."),
        ("staff", "is cancelled."),
        ("other", "is cancelled."),
        ("a reason of next year", "is cancelled."),
    ],
)
def test_a_cancellation_says_why_where_that_is_for_the_customer(reason: str, words: str) -> None:
    event = cancelled(USER, new_id()).model_copy(update={"reason": reason})
    for ending in PARTS.values():
        ((_, mail),) = written(event, ending)
        assert f"{words} Nothing of it will be sent:" in mail.replace("</strong>", "")
        assert "fraud" not in mail

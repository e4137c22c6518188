"""Torn work is finished by those who come after, once and whole.

Right after what tears it: a key whose intent nobody came back to within two minutes is answered `order_expired`.
"""

from email import message_from_string

import httpx
import pytest

from common.testing.waiting import eventually
from stoa.stack import NOTIFIER_THREADS

from .people import Person, Visitor, mails_to, ok, wait_for_numbers
from .site import PATIENCE_S, Letter, Site
from .wreckage import MAILS, PREFIX, ROWS, Burst, Wreckage, confirmations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LEASE_S = 120.0
"""A dead process's work is left alone for a minute; the rest is for a busy machine."""


def test_each_key_of_a_torn_burst_ends_in_exactly_one_order(wreckage: Wreckage, stranger: Visitor) -> None:
    burst = wreckage.burst
    orders = {key: _settle(burst, key) for key in burst.first}
    assert len(set(orders.values())) == len(orders)
    assert ok(burst.buyer.get("/api/orders/"))["count"] == len(orders)
    wait_for_numbers(stranger, burst.product, stock=burst.stock - len(orders), sold=len(orders))


def _settle(burst: Burst, key: str) -> str:
    """The id of the order that the key ends in, after as many tries as it takes."""

    def placed() -> httpx.Response:
        answer = burst.buyer.order(burst.product, key=key)
        assert answer.status_code == 201, answer.text
        return answer

    answer = eventually(placed, LEASE_S)
    replayed = answer.headers.get("idempotent-replayed") == "true"
    assert replayed or burst.first[key] != 201
    return str(answer.json()["id"])


def test_a_torn_upload_goes_on_where_it_stood(wreckage: Wreckage, admin: Person) -> None:
    status = eventually(lambda: _finished(admin, wreckage.upload.url), LEASE_S)
    assert (status["status"], status["processed"], status["created"], status["failed"]) == ("finished", ROWS, ROWS, 0)
    assert ok(admin.get("/api/products/", params={"search": PREFIX}))["count"] == ROWS


def _finished(admin: Person, url: str) -> dict[str, object]:
    status = ok(admin.get(url))
    return status if status["finished_at"] else {}


def test_no_mail_of_a_killed_worker_is_lost(wreckage: Wreckage, site: Site) -> None:
    post = wreckage.post
    eventually(lambda: confirmations(post.reader, status="sent") == MAILS, LEASE_S)
    assert confirmations(post.reader) == MAILS

    def arrived() -> list[Letter]:
        """The mailbox takes a mail before it lists it."""
        mails = [mail for mail in mails_to(site, post.reader.email) if "Your order" in mail.subject]
        assert {mail.subject for mail in mails} == {f"Your order {number}" for number in post.numbers}
        return mails

    mails = eventually(arrived, PATIENCE_S)
    # Those that were out of the door when their worker died may come twice, under the same Message-ID.
    assert len({message_from_string(mail.source)["Message-ID"] for mail in mails}) == MAILS
    assert len(mails) <= MAILS + NOTIFIER_THREADS


def test_nothing_unforeseen_stands_in_any_log(site: Site) -> None:
    for name, text in site.written().items():
        assert "unforeseen" not in text, name

"""Which mails are counted for which order."""

import pytest

from replaying.mails import count_mails, number_in

pytestmark = pytest.mark.unit

NUMBERS = frozenset({"ST-1001", "ST-1002"})


def mail(subject: str) -> dict[str, object]:
    """A mail as the mailbox lists it."""
    return {"id": 1, "source": f"Subject: {subject}\nFrom: a@example.com\n\nHello"}


def test_a_mail_belongs_to_the_order_that_its_subject_names() -> None:
    assert number_in("Your order ST-1002 is placed", NUMBERS) == "ST-1002"
    assert number_in("Your order ST-10021 is placed", NUMBERS) is None


def test_confirmations_and_cancellations_are_counted_apart() -> None:
    mails = count_mails(
        [mail("Order ST-1001 confirmed"), mail("Order ST-1001 cancelled"), mail("Order ST-1002 confirmed")], NUMBERS
    )
    assert (dict(mails.confirmation), dict(mails.cancellation)) == ({"ST-1001": 1, "ST-1002": 1}, {"ST-1001": 1})


def test_a_doubled_mail_counts_twice_and_one_about_something_else_not_at_all() -> None:
    mails = count_mails(
        [mail("Order ST-1001 confirmed")] * 2 + [mail("Welcome"), {"id": 4, "source": "\nno subject"}], NUMBERS
    )
    assert (dict(mails.confirmation), dict(mails.cancellation)) == ({"ST-1001": 2}, {})


def test_an_encoded_subject_is_read() -> None:
    assert count_mails([mail("=?utf-8?q?Order_ST-1001_confirmed?=")], NUMBERS).confirmation["ST-1001"] == 1

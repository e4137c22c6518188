"""What is kept of the pushes."""

import pytest

from replaying.listening import Listener

pytestmark = pytest.mark.unit


def push(product: int, sold: int, seq: int) -> dict[str, object]:
    """A push as the socket says it."""
    return {"type": "product_update", "product_id": product, "sold_count": sold, "seq": seq, "stream": "s"}


def test_the_last_push_of_a_product_counts() -> None:
    listener = Listener("http://shop")
    for message in (push(1, 5, 1), push(2, 1, 2), push(1, 3, 3)):
        listener.hear(message)
    assert (listener.sold, listener.seq, listener.pushes) == ({1: 3, 2: 1}, 3, 3)


def test_an_older_count_does_not_replace_a_newer_one() -> None:
    listener = Listener("http://shop")
    listener.hear(push(1, 5, 7))
    listener.hear({"type": "sold_counts", "stream": "s", "seq": 4, "data": [{"id": 1, "sold_count": 2}]})
    assert listener.sold == {1: 5}


def test_a_snapshot_is_taken_whole_and_other_messages_are_passed_over() -> None:
    listener = Listener("http://shop")
    listener.hear({"type": "hello", "stream": "s", "seq": 9, "heartbeat_s": 20})
    listener.hear({"type": "sold_counts", "stream": "s", "seq": 9, "data": [{"id": 1, "sold_count": 2}]})
    assert (listener.sold, listener.seq) == ({1: 2}, 9)

"""The contract's tests: what is heard is defined, and what is said can be read."""

import importlib
import pkgutil
from collections.abc import Callable
from decimal import Decimal

import orjson
import pytest
from pydantic import ValidationError

from common import events
from common.clock import now
from common.events import Envelope, Event, decode, registered
from common.events.auth import UserRegistered
from common.events.catalog import ProductCreated
from common.events.orders import Line, OrderPlaced
from common.ids import new_id

pytestmark = pytest.mark.unit


def every_type() -> dict[str, type[Event]]:
    for module in pkgutil.iter_modules(events.__path__):
        importlib.import_module(f"common.events.{module.name}")
    return registered()


def test_every_event_that_is_heard_is_defined(real_hearers: dict[str, tuple[str, ...]]) -> None:
    heard = {kind for kinds in real_hearers.values() for kind in kinds}
    assert heard <= set(every_type())


def test_every_event_names_its_owner_and_carries_its_type() -> None:
    for name, kind in every_type().items():
        assert (kind.type, kind.source.startswith("/services/")) == (name, True)


def told() -> Envelope:
    line = Line(product_id=1, sku="A-1", name="chair", quantity=2, price=Decimal("12.50"))
    event = OrderPlaced(
        order_id=new_id(),
        version=1,
        number="A1",
        user_id=new_id(),
        total=Decimal("25.00"),
        currency="EUR",
        lines=[line],
        at=now(),
    )
    return Envelope(
        id=new_id(),
        type=event.type,
        source=event.source,
        time=now(),
        subject=event.subject,
        sequence=event.sequence,
        data=event.model_dump(mode="json"),
    )


def test_what_is_said_can_be_read() -> None:
    envelope = told()
    heard = decode(envelope.encode())
    event = OrderPlaced.model_validate(heard.data)
    assert heard == envelope
    assert (event.total, event.lines[0].price) == (Decimal("25.00"), Decimal("12.50"))
    assert (event.subject, event.sequence) == (envelope.subject, 1)


@pytest.mark.parametrize("traceparent", [None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
def test_an_envelope_that_is_written_at_once_is_the_same(traceparent: str | None) -> None:
    event = ProductCreated(
        product_id=7,
        version=2,
        sku=None,
        name='Lámp "x"',
        price=Decimal("3.50"),
        currency="EUR",
        status="active",
        availability="in_stock",
    )
    moment, event_id = now(), new_id()
    made = Envelope(
        id=event_id,
        type=event.type,
        source=event.source,
        time=moment,
        subject="7",
        sequence=2,
        traceparent=traceparent,
        data=event.model_dump(mode="json"),
    )

    written = Envelope.write(event, event_id, moment, traceparent)

    assert orjson.loads(written) == orjson.loads(made.encode())
    assert decode(written.encode()) == made


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"\xff", b"[" * 5000])
def test_what_is_no_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        decode(body)


def test_an_event_does_not_change(registered: Callable[[], UserRegistered]) -> None:
    event = registered()
    with pytest.raises(ValidationError):
        event.username = "eve"  # type: ignore[misc]

"""Events as auth, orders and catalog would say them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from common.clock import now
from common.events.auth import OtpRequested, PasswordResetRequested, SessionsRevoked, UserRegistered, UserUpdated
from common.events.catalog import ImportFinished, ProductLowStock
from common.events.orders import Line, OrderCancelled, OrderPlaced, OrderStatusChanged
from common.ids import new_id

LINES = [
    Line(product_id=1, sku="A", name="Jug <white>", quantity=2, price=Decimal("2.50")),
    Line(product_id=2, sku=None, name="Çay bardağı", quantity=1, price=Decimal("1.00")),
]


def registered(
    user: UUID, name: str = "Ada", challenge: UUID | None = None, role: str | None = "user"
) -> UserRegistered:
    return UserRegistered(
        user_id=user,
        version=1,
        username=name.lower(),
        email=f"{name.lower()}@example.com",
        first_name=name,
        role=role,
        is_active=role and True,
        challenge_id=challenge,
    )


def updated(
    user: UUID,
    version: int,
    name: str,
    previous: str | None = None,
    challenge: UUID | None = None,
    role: str | None = "user",
    *,
    is_active: bool = True,
) -> UserUpdated:
    return UserUpdated(
        user_id=user,
        version=version,
        username=name.lower(),
        email=f"{name.lower()}@example.com",
        first_name=name,
        role=role,
        is_active=is_active,
        previous_email=previous,
        challenge_id=challenge,
    )


def code_requested(challenge: UUID, life: timedelta = timedelta(minutes=10)) -> OtpRequested:
    return OtpRequested(challenge_id=challenge, expires_at=now() + life)


def reset_requested(challenge: UUID, life: timedelta = timedelta(hours=1)) -> PasswordResetRequested:
    return PasswordResetRequested(challenge_id=challenge, expires_at=now() + life)


def revoked(user: UUID, version: int, reason: str) -> SessionsRevoked:
    at = datetime(2026, 11, 25, 14, 5, tzinfo=UTC)
    return SessionsRevoked(user_id=user, version=version, sessions=[new_id()], reason=reason, at=at)


def placed(user: UUID, order: UUID | None = None) -> OrderPlaced:
    return OrderPlaced(**_order(user, order or new_id(), 1))


def moved(user: UUID, order: UUID, version: int, previous: str, status: str) -> OrderStatusChanged:
    return OrderStatusChanged(**_order(user, order, version), previous=previous, status=status)


def cancelled(user: UUID, order: UUID, *, was_placed: bool = True) -> OrderCancelled:
    return OrderCancelled(**_order(user, order, 2), previous="pending", reason="customer", was_placed=was_placed)


def ran_low(product: int = 7, version: int = 3, **changed: Any) -> ProductLowStock:
    told = {"product_id": product, "version": version, "sku": "L-1", "name": "Oil lamp", "stock": 4}
    return ProductLowStock(**told | changed)


def imported(user: UUID) -> ImportFinished:
    return ImportFinished(
        task_id=new_id(),
        started_by=user,
        status="finished",
        total=9,
        created=5,
        updated=2,
        unchanged=1,
        failed=1,
    )


def _order(user: UUID, order: UUID, version: int) -> dict[str, object]:
    return {
        "order_id": order,
        "version": version,
        "number": f"261122-{str(order)[-6:].upper()}",
        "user_id": user,
        "total": Decimal("6.00"),
        "currency": "EUR",
        "lines": LINES,
        "at": now(),
    }

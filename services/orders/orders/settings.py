"""What orders reads from the environment."""

from typing import Literal

from common.settings import Settings


class OrdersSettings(Settings):
    """Variables beside the common ones."""

    customer_cancel_until: Literal["pending", "processing"] = "pending"
    """The last status in which a customer may still cancel."""
    catalog_timeout_s: float = 1.5
    """One attempt at a hold; a batch of 64 orders is held in one call, so it is longer than a single look-up's."""
    cart_timeout_s: float = 1.0
    batch: int = 64
    """Placements that share a call and its transactions at most."""
    intent_deadline_s: int = 120
    """After so long an unfinished placement is given up; twice its key's lease (`common.idempotency.LEASE`), so that a
    buyer who repeats a request whose process has died finishes the order instead of racing the sweeper."""

"""Who hears what: queues declared by whoever speaks or hears first, so that nothing said is lost."""

HEARERS: dict[str, tuple[str, ...]] = {
    "catalog": ("order.placed", "order.cancelled"),
    "cart": ("product.created", "product.updated", "product.archived", "order.placed"),
    "realtime": ("order.placed", "order.status_changed", "order.cancelled", "import.progress", "import.finished"),
    "notifier": (
        *("user.registered", "user.updated", "user.password_reset_requested", "user.sessions_revoked"),
        *("order.placed", "order.status_changed", "order.cancelled", "import.finished", "product.low_stock"),
    ),
}
"""Routing keys (event types) by hearing service."""

BRIEF: dict[str, tuple[str, ...]] = {"notifier": ("user.otp_requested",)}
"""Those that are worth hearing for minutes only, on a queue of their own: they expire, and are never dead-lettered."""


def is_heard(event_type: str) -> bool:
    """Whether any service listens to this event."""
    return any(event_type in types for types in (*HEARERS.values(), *BRIEF.values()))

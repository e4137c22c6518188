"""The settings' room: what realtime reads from the environment beside the common variables."""

from typing import Any, Literal

from pydantic import Field

from common.settings import Settings


def _most_sockets(known: dict[str, Any]) -> int:
    """What holds where nothing more exact is said; without limits none at all."""
    return int(known["limit_sockets"]) if known["rate_limits"] == "on" else 0


class RealtimeSettings(Settings):
    """`STOA_SEND_TIMEOUT_S` is how long a client may leave a message lying before it is dismissed.

    `STOA_CORS_ORIGINS` are the pages that may open the sockets of signed-in users, beside those of the same host.
    """

    send_timeout_s: float = Field(10.0, gt=0)
    """Seconds (design: public surface, section 7)."""
    cors_origins: str = ""
    """Origins with commas between them, as the gateway is given them."""
    rate_limits: Literal["on", "off"] = "on"
    limit_sockets: int = Field(20, gt=0)
    """As the gateway is given both: sockets of one client that are open at once (design: reliability 3.9)."""
    sockets_per_address: int = Field(default_factory=_most_sockets, ge=0)
    """Sockets of one address that this process holds open, 0 for no limit."""
    sockets_per_user: int = Field(default_factory=_most_sockets, ge=0)
    """The same for those of one signed-in user, wherever they come from."""
    messages_per_s: int = Field(default_factory=lambda known: 20 if known["rate_limits"] == "on" else 0, ge=0)
    """What a client may say on one socket, 0 for no limit (design: reliability 3.9)."""

"""The settings' room: what realtime reads from the environment beside the common variables."""

from pydantic import Field

from common.settings import Settings


class RealtimeSettings(Settings):
    """`STOA_SEND_TIMEOUT_S` is how long a client may leave a message lying before it is dismissed."""

    send_timeout_s: float = Field(10.0, gt=0)
    """Seconds (design: public surface, section 7)."""

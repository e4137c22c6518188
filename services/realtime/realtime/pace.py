"""The pace's room: how fast a client may speak on a socket."""

from collections.abc import Callable

STALL_S = 3.0
"""So much of what a client says may come at once: what a net that loses a segment twice holds up (a second, then two:
RFC 6298, sections 2.1 and 5.5) is no hurry of the client's."""


class Pace:
    """Counts what one client says, at `per_s` messages a second; without a limit if that is 0."""

    def __init__(self, per_s: int, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._clock = clock
        self._at = clock()
        self._most = self._left = per_s * STALL_S

    def keeps(self) -> bool:
        """One more has been said: whether that is not too much."""
        moment = self._clock()
        self._left = min(self._most, self._left + (moment - self._at) * self._per_s) - 1
        self._at = moment
        return self._left >= 0 or not self._per_s

"""The room of going: unfit for new requests, yet answering each that comes, until whoever sends them has noticed."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Drain:
    """Puts off the end that a SIGTERM asks for by so many seconds; a second one ends at once, as Ctrl-C does."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """While the application serves. The server's own handler must be there already: it is called in the end."""
        end = signal.getsignal(signal.SIGTERM)
        if not self._seconds or not callable(end) or threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        def leave(number: int, frame: FrameType | None) -> None:
            if self.begun:
                end(number, frame)
                return
            self.begun = True
            loop.call_soon_threadsafe(loop.call_later, self._seconds, end, number, None)

        signal.signal(signal.SIGTERM, leave)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, end)

"""The short way's room: a message becomes bytes once, and they go straight to every client that has taken all before.

uvicorn would encode and frame it anew for each client, and only once a task of that client's has its turn. Framed once
and written to every transport it is several times as fast (design: performance, section 3). Messages that come together
leave together: what a `send` costs is the call, not the bytes.
"""

from collections.abc import Sequence
from functools import lru_cache

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.protocol import State

from realtime.listener import Frame, Write

KEPT = 4096
"""Texts whose bytes are kept: more than one look into the log brings (`queries.CHUNK`)."""
AT_ONCE = 64
"""Messages that are written together: some 8 kB, an eighth of what may wait in a transport before it asks to pause."""


@lru_cache(KEPT)
def _framed(text: str) -> bytes:
    """A whole unmasked text message (RFC 6455, 5.2)."""
    return WireFrame(Opcode.TEXT, text.encode()).serialize(mask=False)


@lru_cache(KEPT // AT_ONCE)
def _together(texts: tuple[str, ...]) -> bytes:
    return b"".join(map(_framed, texts))


def straight_to(websocket: WebSocket) -> Write:
    """Writes messages to this client at once, as long as what was written before has left; says how many it wrote."""
    protocol = getattr(websocket._receive, "__self__", None)
    if not isinstance(protocol, WebSocketsSansIOProtocol) or protocol.conn.extensions:
        return lambda _: 0
    connection, transport, writable = protocol.conn, protocol.transport, protocol.writable

    def write(frames: Sequence[Frame]) -> int:
        for begin in range(0, len(frames), AT_ONCE):
            if not writable.is_set() or connection.state is not State.OPEN or transport.is_closing():
                return begin
            transport.write(_together(tuple(frame["text"] for frame in frames[begin : begin + AT_ONCE])))
        return len(frames)

    return write

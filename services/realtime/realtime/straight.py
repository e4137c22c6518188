"""The short way's room: a message becomes bytes once, and they go straight to every client that has taken all before.

uvicorn would encode and frame it anew for each client, and only once a task of that client's has its turn. Framed once
and written to every transport it is several times as fast (design: performance, section 3).
"""

from functools import lru_cache

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.protocol import State

from realtime.listener import Frame, Write

KEPT = 4096
"""Texts whose bytes are kept: more than one look into the log brings (`queries.CHUNK`)."""


@lru_cache(KEPT)
def _framed(text: str) -> bytes:
    """A whole unmasked text message (RFC 6455, 5.2)."""
    return WireFrame(Opcode.TEXT, text.encode()).serialize(mask=False)


def straight_to(websocket: WebSocket) -> Write:
    """Writes a message to this client at once, if what was written before has left; says whether it did."""
    protocol = getattr(websocket._receive, "__self__", None)
    if not isinstance(protocol, WebSocketsSansIOProtocol) or protocol.conn.extensions:
        return lambda _: False
    connection, transport, writable = protocol.conn, protocol.transport, protocol.writable

    def write(frame: Frame) -> bool:
        if not writable.is_set() or connection.state is not State.OPEN or transport.is_closing():
            return False
        transport.write(_framed(frame["text"]))
        return True

    return write

"""The bound for reads: an application that says hello, bare, without any framework."""

from typing import Any

BODY = b'{"hello":"world"}'


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer everything alike, the gateway's health check too."""
    if scope["type"] == "http":
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})


def build() -> Any:
    """The same, for a command that asks for a factory."""
    return app

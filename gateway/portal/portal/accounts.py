"""The portal's account pages: where the links in mails about an account lead."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).parent / "static" / "account"
PAGES = {"verify-email": "verify-email.html", "reset-password": "reset-password.html"}
FILES = ("account.js", "account.css")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}
"""Nothing from anywhere else, and nobody frames a page on which a password is typed."""


def routes() -> list[Route]:
    """Both pages, with and without the closing slash, and what they load."""
    paths = {f"/account/{name}{end}": file for name, file in PAGES.items() for end in ("/", "")}
    paths |= {f"/account/{file}": file for file in FILES}
    return [_route(path, FOLDER / file) for path, file in paths.items()]


def _route(path: str, file: Path) -> Route:
    async def give(_: Request) -> Response:
        return FileResponse(file, headers=HEADERS)

    return Route(path, give)

"""The portal's pages: what a person opens in a browser, each put into the one frame, and the files that they load."""

from os import PathLike, stat_result
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from portal.giving import HTML, Made

FOLDER = Path(__file__).parent / "static"
PAGES = {
    "/": "index.html",
    "/live": "live.html",
    "/docs": "docs.html",
    "/docs/events": "events.html",
    "/admin": "admin.html",
}
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
"""Scripts, styles, pictures, requests and sockets from here alone; nothing inline runs."""
POLICIES = {"docs.html": f"{POLICY}; img-src 'self' data:"}
"""Swagger UI's stylesheet carries its icons within itself."""


class Files(StaticFiles):
    """Files of a folder with headers of ours; a browser asks each time whether one has changed, and is told 304."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or that it is still the same."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_headers(POLICY))
        return response


def routes() -> list[BaseRoute]:
    """Every page, with and without the closing slash, and what they load."""
    return [
        *(route for path, file in PAGES.items() for route in _page(path, file)),
        Mount("/static/vendor/swagger-ui", Files(packages=[("fastapi_offline", "static")])),
        *(Mount(f"/static/{part}", Files(directory=FOLDER / part)) for part in ("parts", "vendor")),
    ]


def framed(path: str, file: str) -> bytes:
    """A page within the frame of all, in whose navigation it is marked as the present one.

    A page's file has what belongs into the head, and then, from its `main` on, what belongs into the body.
    """
    frame = (FOLDER / "frame.html").read_text().replace(f'<a href="{path}">', f'<a href="{path}" aria-current="page">')
    head, main, body = (FOLDER / file).read_text().partition("  <main")
    return Template(frame).substitute(head=head.rstrip(), body=(main + body).rstrip()).encode()


def _page(path: str, file: str) -> list[Route]:
    made, headers = Made(framed(path, file), HTML), _headers(POLICIES.get(file, POLICY))

    async def give(request: Request) -> Response:
        return made.give(request, headers)

    return [Route(each, give) for each in dict.fromkeys((path, f"{path.rstrip('/')}/"))]


def _headers(policy: str) -> dict[str, str]:
    return {"Cache-Control": "no-cache", "Content-Security-Policy": policy}

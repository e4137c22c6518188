"""The portal's pages: what a person opens in a browser, and the files that it loads, none of them from elsewhere."""

from os import PathLike, stat_result
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

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

    def __init__(self, policy: str = POLICY, **where: Any) -> None:
        super().__init__(**where)
        self._headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy}

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or that it is still the same."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(self._headers)
        return response


def routes() -> list[BaseRoute]:
    """Every page, with and without the closing slash, and what they load."""
    return [
        *(_page(path, file) for path, file in PAGES.items()),
        *(_page(f"{path}/", file) for path, file in PAGES.items() if path != "/"),
        Mount("/static/vendor/swagger-ui", Files(packages=[("fastapi_offline", "static")])),
        *(Mount(f"/static/{part}", Files(directory=FOLDER / part)) for part in ("parts", "vendor")),
    ]


def _page(path: str, file: str) -> Route:
    files = Files(POLICIES.get(file, POLICY), directory=FOLDER)

    async def give(request: Request) -> Response:
        return await files.get_response(file, request.scope)

    return Route(path, give)

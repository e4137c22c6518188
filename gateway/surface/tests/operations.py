"""What the six applications can be asked, by their OpenAPI documents and, for what these leave out, their routes."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from .services import openapi

Operation = tuple[str, str]
"""Method and path; the method of a WebSocket is SOCKET."""


def operations(app: FastAPI) -> set[Operation]:
    """Everything that the application answers."""
    documented = {(method.upper(), path) for path, methods in openapi(app)["paths"].items() for method in methods}
    hidden = {operation for route in iter_route_contexts(app.routes) for operation in _hidden(route)}
    return documented | hidden


def taking_a_body(app: FastAPI) -> set[Operation]:
    """What takes a body that is read by a model, as the routes say, which are faster asked than a document."""
    routes = [route for route in iter_route_contexts(app.routes) if getattr(route, "body_field", None)]
    return {(method, route.path_format) for route in routes for method in route.methods or ()}


def _hidden(route: Any) -> set[Operation]:
    if route.methods is None:
        return {("SOCKET", route.path)}
    return set() if route.include_in_schema else {(method, route.path_format) for method in route.methods - {"HEAD"}}

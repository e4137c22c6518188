"""The door-keeper's room: who is knocking, as argument types that a route declares."""

from typing import Annotated, Any

from fastapi import Depends, Header
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from common.database import Sessions
from common.errors import Forbidden, Unauthorized
from common.idempotency import LONGEST_KEY, check_key
from common.service_tokens import Sisters
from common.tokens import Tokens, User

SCHEMES = ("bearer", "token")
"""Bearer (RFC 6750), and Token, the word of Django REST framework that older clients send."""


def from_state(name: str) -> Any:
    """A dependency on something that `main` has put on the application under this name."""

    async def get(connection: HTTPConnection) -> Any:
        return getattr(connection.app.state, name)

    return Depends(get)


SessionsDep = Annotated[Sessions, from_state("sessions")]


async def sent_token(connection: HTTPConnection) -> str | None:
    """The token in the Authorization header, if there is one. Raises Unauthorized for any other scheme."""
    sent = connection.headers.getlist("authorization")
    if not sent:
        return None
    return token_of(sent[0] if len(sent) == 1 else "")


def token_of(authorization: str) -> str:
    """The token in the header's value. Raises Unauthorized."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() not in SCHEMES or not token.strip():
        raise Unauthorized("send the token as 'Authorization: Bearer …'", code="invalid_token")
    return token.strip()


async def anyone(connection: HTTPConnection, token: Annotated[str | None, Depends(sent_token)]) -> User | None:
    """The signed-in user, or None when no token was sent; a token that is sent must be good."""
    tokens: Tokens = connection.app.state.tokens
    return None if token is None else await tokens.user(token)


async def signed_in(user: Annotated[User | None, Depends(anyone)]) -> User:
    """The signed-in user. Raises Unauthorized."""
    if user is None:
        raise Unauthorized("sign in first: send the access token as 'Authorization: Bearer …'")
    return user


async def administrator(user: Annotated[User, Depends(signed_in)]) -> User:
    """The signed-in admin. Raises Unauthorized or Forbidden."""
    if not user.is_admin:
        raise Forbidden("this is for administrators who signed in with their password")
    return user


def called_by(*services: str) -> Any:
    """A dependency of internal routes: only these services may call, any sister if none is named.

    Raises Unauthorized without a good service token, Forbidden for that of another service.
    """

    async def check(connection: HTTPConnection, token: Annotated[str | None, Depends(sent_token)]) -> str:
        sisters: Sisters = connection.app.state.sisters
        caller = sisters.caller(token or "")
        if services and caller not in services:
            raise Forbidden(f"{caller} has no business here", code="not_for_this_service")
        return caller

    return Depends(check)


_KEY = Header(
    alias="Idempotency-Key",
    description="Send it again to repeat safely",
    json_schema_extra={"minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]*$"},
)


async def idempotency_key(key: Annotated[str | None, _KEY] = None) -> str | None:
    """The client's Idempotency-Key. Raises Invalid."""
    return check_key(key)


_documented = Depends(HTTPBearer(auto_error=False, scheme_name="bearer"))

Visitor = Annotated[User | None, Depends(anyone)]
CurrentUser = Annotated[User, Depends(signed_in)]
Admin = Annotated[User, Depends(administrator)]
IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]
signed = [_documented]
"""Put into a route's `dependencies` so that the API page shows the padlock."""
for_admins = [_documented, Depends(administrator)]
"""The same for a route that is for administrators and need not know which one asks."""

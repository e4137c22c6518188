"""Auth's HTTP door."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from auth import queries, usecases
from auth.grants import Client, Grants
from auth.passwords import HashingPool, Passwords
from auth.revocations import RevokedSet
from auth.schemas import (
    Credentials,
    KeySet,
    Leaving,
    Message,
    PairView,
    Registration,
    Renewal,
    SessionState,
    SignedIn,
    UserView,
)
from auth.signing import Signing
from common.knocking import CurrentUser, SessionsDep, called_by, from_state, signed

router = APIRouter(prefix="/api/auth", tags=["auth"])
internal = APIRouter(prefix="/internal", include_in_schema=False)

JWKS_CACHING = "public, max-age=60"
"""A withdrawn key is forgotten everywhere within a minute (design: reliability 3.9)."""


async def _client(request: Request) -> Client:
    ip = request.client.host if request.client else ""
    return Client(ip[:45], request.headers.get("user-agent", "")[:200])


async def _kept_nowhere(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


async def _kept_a_minute(response: Response) -> None:
    response.headers["Cache-Control"] = JWKS_CACHING


ClientDep = Annotated[Client, Depends(_client)]
GrantsDep = Annotated[Grants, from_state("grants")]
HashingDep = Annotated[HashingPool, from_state("hashing")]
PasswordsDep = Annotated[Passwords, from_state("passwords")]
RevokedDep = Annotated[RevokedSet, from_state("revoked")]
SigningDep = Annotated[Signing, from_state("signing")]
no_store = [Depends(_kept_nowhere)]


@router.post("/register/", status_code=201, response_model=UserView, responses={409: {"description": "Taken"}})
async def register(form: Registration, hashing: HashingDep, sessions: SessionsDep, passwords: PasswordsDep) -> Any:
    """Open an account."""
    return await hashing.run(usecases.register, sessions, passwords, form)


@router.post(
    "/login/",
    response_model=SignedIn,
    dependencies=no_store,
    responses={401: {"description": "Wrong name or password"}, 403: {"description": "The account is disabled"}},
)
async def log_in(
    form: Credentials,
    client: ClientDep,
    hashing: HashingDep,
    sessions: SessionsDep,
    passwords: PasswordsDep,
    grants: GrantsDep,
) -> Any:
    """Sign in with username or address and password."""
    return await hashing.run(usecases.log_in, sessions, passwords, grants, form, client)


@router.post(
    "/refresh/",
    response_model=PairView,
    dependencies=no_store,
    responses={401: {"description": "Unknown, expired or used before"}},
)
def refresh(form: Renewal, client: ClientDep, sessions: SessionsDep, grants: GrantsDep, revoked: RevokedDep) -> Any:
    """Exchange a refresh token for a new pair."""
    return usecases.refresh(sessions, grants, revoked, form, client)


@router.post("/logout/", response_model=Message, dependencies=signed)
def log_out(user: CurrentUser, sessions: SessionsDep, revoked: RevokedDep, form: Leaving | None = None) -> Any:
    """End this session, or all of yours, in every service at once."""
    return usecases.log_out(sessions, revoked, user, form or Leaving())


@router.get("/me/", response_model=UserView, dependencies=signed)
def me(user: CurrentUser, sessions: SessionsDep) -> Any:
    """Your account."""
    return queries.me(sessions, user.id)


@router.get("/jwks.json", response_model=KeySet, dependencies=[Depends(_kept_a_minute)])
def jwks(signing: SigningDep) -> Any:
    """The public keys that access tokens are checked with."""
    return signing.jwks()


@internal.get("/sessions/{sid}/", response_model=SessionState, dependencies=[called_by()])
def session_state(sid: UUID, sessions: SessionsDep) -> Any:
    """Whether a session goes on."""
    return {"active": queries.is_open(sessions, sid)}

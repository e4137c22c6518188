"""Auth's HTTP door."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from auth import administering, changing, going_on, leaving, queries, registering, signing_in
from auth.challenges import Challenges
from auth.grants import Client, Grants
from auth.passwords import HashingPool, Passwords
from auth.revocations import RevokedSet
from auth.schemas import (
    Change,
    CodeSent,
    Credentials,
    KeySet,
    Leaving,
    Message,
    NewPassword,
    OneTimeCode,
    PairView,
    PasswordChange,
    Proof,
    Reader,
    Registration,
    Renewal,
    SessionView,
    SignedIn,
    Standing,
    UsersQuery,
    UserView,
)
from auth.signing import Signing
from common.knocking import Admin, CurrentUser, SessionsDep, for_admins, from_state, signed
from common.pagination import ListParams, Page
from common.replies import tagged

router = APIRouter(prefix="/api/auth", tags=["auth"])

JWKS_CACHING = "public, max-age=60"
"""A withdrawn key is forgotten everywhere within a minute (design: reliability 3.9)."""


async def _client(request: Request) -> Client:
    ip = request.client.host if request.client else ""
    return Client(ip[:45], request.headers.get("user-agent", "")[:200])


async def _kept_nowhere(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


async def _kept_a_minute(response: Response) -> None:
    response.headers["Cache-Control"] = JWKS_CACHING


ChallengesDep = Annotated[Challenges, from_state("challenges")]
ClientDep = Annotated[Client, Depends(_client)]
GrantsDep = Annotated[Grants, from_state("grants")]
HashingDep = Annotated[HashingPool, from_state("hashing")]
IfMatch = Annotated[str | None, Header(description="Act only on this version of the account")]
ListsUrl = Annotated[str, from_state("lists_url")]
PasswordsDep = Annotated[Passwords, from_state("passwords")]
RevokedDep = Annotated[RevokedSet, from_state("revoked")]
SigningDep = Annotated[Signing, from_state("signing")]
no_store = [Depends(_kept_nowhere)]

Described = dict[int | str, dict[str, Any]]
SIGNED: Described = {401: {"description": "Sign in first"}}
ADMINS: Described = SIGNED | {403: {"description": "For administrators who signed in with their password"}}
TAKEN: Described = {409: {"description": "`already_registered`: the name or address belongs to an account"}}
WAIT: Described = {429: {"description": "Too many tries; `Retry-After` says how many seconds to wait"}}
BUSY: Described = {503: {"description": "Too many people are signing in, or the database is away; try again"}}
CHANGED: Described = {412: {"description": "The account has changed since the version in If-Match"}}
REFUSED: Described = {401: {"description": "Wrong name or password"}, 403: {"description": "The account is disabled"}}
WRONG: Described = {401: {"description": "Sign in first; or the present password is wrong"}}
NO_USER: Described = {404: {"description": "There is no such user"}}


@router.post("/register/", status_code=201, response_model=UserView, responses=TAKEN | BUSY)
async def register(
    form: Registration, hashing: HashingDep, sessions: SessionsDep, passwords: PasswordsDep, challenges: ChallengesDep
) -> Any:
    """Open an account; a mail asks whether its address is yours."""
    return await hashing.run(registering.register, sessions, passwords, challenges, form)


@router.post("/login/", response_model=SignedIn, dependencies=no_store, responses=REFUSED | WAIT | BUSY)
async def log_in(
    form: Credentials,
    client: ClientDep,
    hashing: HashingDep,
    sessions: SessionsDep,
    passwords: PasswordsDep,
    grants: GrantsDep,
) -> Any:
    """Sign in with username or address and password."""
    return await hashing.run(signing_in.log_in, sessions, passwords, grants, form, client)


@router.post("/request-otp/", response_model=CodeSent, dependencies=no_store, responses=WAIT)
def request_otp(form: Reader, sessions: SessionsDep, challenges: ChallengesDep) -> Any:
    """Have a one-time code mailed; the answer is the same whether or not the address is an account's."""
    return signing_in.request_otp(sessions, challenges, form)


@router.post("/verify-otp/", response_model=SignedIn, dependencies=no_store, responses=WAIT)
def verify_otp(
    form: OneTimeCode, client: ClientDep, sessions: SessionsDep, challenges: ChallengesDep, grants: GrantsDep
) -> Any:
    """Sign in with the code that was mailed."""
    return signing_in.verify_otp(sessions, challenges, grants, form, client)


@router.post(
    "/refresh/",
    response_model=PairView,
    dependencies=no_store,
    responses={401: {"description": "`invalid_refresh`, or `refresh_reused`: used before, and the session is over"}},
)
def refresh(form: Renewal, client: ClientDep, sessions: SessionsDep, grants: GrantsDep, revoked: RevokedDep) -> Any:
    """Exchange a refresh token for a new pair."""
    return going_on.refresh(sessions, grants, revoked, form, client)


@router.post("/logout/", response_model=Message, dependencies=signed, responses=SIGNED)
def log_out(user: CurrentUser, sessions: SessionsDep, revoked: RevokedDep, form: Leaving | None = None) -> Any:
    """End this session, or all of yours, in every service at once."""
    return leaving.log_out(sessions, revoked, user, form or Leaving())


@router.get("/me/", response_model=UserView, dependencies=signed, responses=SIGNED)
def me(request: Request, user: CurrentUser, sessions: SessionsDep) -> Response:
    """Your account."""
    return _shown(request, queries.me(sessions, user.id))


@router.patch("/me/", response_model=UserView, dependencies=signed, responses=WRONG | TAKEN | CHANGED | WAIT | BUSY)
async def change_me(
    request: Request,
    user: CurrentUser,
    form: Change,
    client: ClientDep,
    hashing: HashingDep,
    sessions: SessionsDep,
    passwords: PasswordsDep,
    challenges: ChallengesDep,
    if_match: IfMatch = None,
) -> Response:
    """Change your account; another username or address needs `current_password`, and the address a new check."""
    work = changing.change_me
    return _shown(request, await hashing.run(work, sessions, passwords, challenges, user, form, client, if_match))


@router.post("/change-password/", response_model=Message, dependencies=signed, responses=WRONG | WAIT | BUSY)
async def change_password(
    user: CurrentUser,
    form: PasswordChange,
    client: ClientDep,
    hashing: HashingDep,
    sessions: SessionsDep,
    passwords: PasswordsDep,
    revoked: RevokedDep,
) -> Any:
    """Set a new password; all your other sessions end."""
    return await hashing.run(changing.change_password, sessions, passwords, revoked, user, form, client)


@router.post("/password-reset/", status_code=202, response_model=Message, dependencies=no_store, responses=WAIT)
def request_reset(form: Reader, sessions: SessionsDep, challenges: ChallengesDep) -> Any:
    """Have a link for a new password mailed; the answer is the same whether or not the address is an account's."""
    return changing.request_reset(sessions, challenges, form)


@router.post("/password-reset/confirm/", response_model=Message, dependencies=no_store, responses=BUSY)
async def reset_password(
    form: NewPassword,
    client: ClientDep,
    hashing: HashingDep,
    sessions: SessionsDep,
    passwords: PasswordsDep,
    challenges: ChallengesDep,
    revoked: RevokedDep,
) -> Any:
    """Set a new password with the token that was mailed; all your sessions end."""
    return await hashing.run(changing.reset_password, sessions, passwords, challenges, revoked, form, client)


@router.post("/verify-email/", response_model=Message, dependencies=no_store)
def verify_email(form: Proof, sessions: SessionsDep, challenges: ChallengesDep) -> Any:
    """Show with the token that was mailed that the address is yours."""
    return registering.verify_email(sessions, challenges, form)


@router.get("/users/", response_model=Page[UserView], dependencies=for_admins, responses=ADMINS)
def list_users(query: Annotated[UsersQuery, Query()], sessions: SessionsDep, url: ListsUrl) -> Any:
    """All accounts, by page with a count or by cursor without one."""
    return queries.list_users(sessions, query, f"{url}users/")


@router.get("/users/{user_id}/", response_model=UserView, dependencies=for_admins, responses=ADMINS | NO_USER)
def find_user(request: Request, user_id: UUID, sessions: SessionsDep) -> Response:
    """One account."""
    return _shown(request, queries.find_user(sessions, user_id))


@router.patch(
    "/users/{user_id}/",
    response_model=UserView,
    dependencies=for_admins,
    responses=ADMINS | NO_USER | CHANGED | {409: {"description": "`last_admin`: no administrator would be left"}},
)
def change_user(
    request: Request,
    admin: Admin,
    user_id: UUID,
    form: Standing,
    sessions: SessionsDep,
    revoked: RevokedDep,
    if_match: IfMatch = None,
) -> Response:
    """Change an account's role or switch it off or on; either ends its sessions at once."""
    return _shown(request, administering.change_user(sessions, revoked, admin, user_id, form, if_match))


@router.get("/sessions/", response_model=Page[SessionView], dependencies=signed, responses=SIGNED)
def list_sessions(user: CurrentUser, query: ListParams, sessions: SessionsDep, url: ListsUrl) -> Any:
    """Your sessions that go on, the newest first."""
    return queries.list_sessions(sessions, user, query, f"{url}sessions/")


@router.delete(
    "/sessions/{session_id}/",
    status_code=204,
    dependencies=signed,
    responses=SIGNED | {404: {"description": "You have no such session"}},
)
def end_session(user: CurrentUser, session_id: UUID, sessions: SessionsDep, revoked: RevokedDep) -> None:
    """End one of your sessions, in every service at once."""
    leaving.end_session(sessions, revoked, user, session_id)


@router.get("/jwks.json", response_model=KeySet, dependencies=[Depends(_kept_a_minute)])
def jwks(signing: SigningDep) -> Any:
    """The public keys that access tokens are checked with."""
    return signing.jwks()


def _shown(request: Request, user: Any) -> Response:
    return tagged(request, user.etag, UserView.model_validate(user))

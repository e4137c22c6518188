"""Auth's door for its sisters, who show a service token."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response

from auth import queries
from auth.challenges import Challenges
from auth.schemas import Administrators, MailedSecret, SessionState
from common.knocking import SessionsDep, called_by, from_state

router = APIRouter(prefix="/internal", include_in_schema=False)


@router.get("/sessions/{sid}/", response_model=SessionState, dependencies=[called_by()])
def session_state(sid: UUID, sessions: SessionsDep) -> Any:
    """Whether a session goes on."""
    return {"active": queries.is_open(sessions, sid)}


@router.get("/challenges/{challenge_id}/", response_model=MailedSecret, dependencies=[called_by("notifier")])
def mailed_secret(
    challenge_id: UUID,
    response: Response,
    sessions: SessionsDep,
    challenges: Annotated[Challenges, from_state("challenges")],
) -> Any:
    """What the mail about a challenge says, and to whom; only the one who writes it may ask."""
    response.headers["Cache-Control"] = "no-store"
    return queries.mailed_secret(sessions, challenges, challenge_id)


@router.get("/administrators/", response_model=Administrators, dependencies=[called_by("notifier")])
def administrators(sessions: SessionsDep) -> Any:
    """Who is an administrator now, so that notifier's copy can be compared with it."""
    return {"administrators": queries.administrators(sessions)}

"""The HTTP door: the sold counts for those who ask instead of listening."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from common.knocking import Visitor, from_state, signed
from realtime.audience import Audience
from realtime.schemas import SnapshotQuery, SnapshotView

router = APIRouter(prefix="/api/realtime/products", tags=["realtime"], dependencies=signed)

AudienceDep = Annotated[Audience, from_state("audience")]


@router.get("/", response_model=SnapshotView)
async def snapshot(_: Visitor, query: Annotated[SnapshotQuery, Query()], audience: AudienceDep) -> Response:
    """Sold counts of all products ever sold, or of those asked for; a listener may resume from `seq`."""
    return Response((await audience.ready()).snapshot(query.products), media_type="application/json")

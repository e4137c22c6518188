"""The HTTP door: the sold counts and the best sellers, for those who ask instead of listening; tickets for sockets."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from common.knocking import CurrentUser, Visitor, from_state, sent_token, signed
from realtime.audience import Audience
from realtime.ranking import Rankings
from realtime.schemas import BestSeller, RankingQuery, RankingView, SnapshotQuery, SnapshotView, TicketView
from realtime.tickets import LIFE_S, Tickets

router = APIRouter(prefix="/api/realtime", tags=["realtime"], dependencies=signed)

AudienceDep = Annotated[Audience, from_state("audience")]
RankingsDep = Annotated[Rankings, from_state("rankings")]
TicketsDep = Annotated[Tickets, from_state("tickets")]
Token = Annotated[str, Depends(sent_token)]


@router.get("/products/", response_model=SnapshotView)
async def snapshot(_: Visitor, query: Annotated[SnapshotQuery, Query()], audience: AudienceDep) -> Response:
    """Sold counts of all products ever sold, or of those asked for; a listener may resume from `seq`."""
    return Response((await audience.ready()).snapshot(query.products), media_type="application/json")


@router.get("/top/")
async def top(_: Visitor, query: Annotated[RankingQuery, Query()], rankings: RankingsDep) -> RankingView:
    """The best sellers of the last hour, 24 hours or 7 days, at most a second old; cancelled orders are taken off."""
    ranking = await rankings.get(query.window)
    best = [BestSeller(id=each.product_id, sold_count=each.sold) for each in ranking.best[: query.limit]]
    return RankingView(window=query.window, since=ranking.since, data=best)


@router.post("/ticket/")
async def ticket(_: CurrentUser, token: Token, tickets: TicketsDep, response: Response) -> TicketView:
    """A ticket that opens one socket within 30 seconds, for clients that can send it no header."""
    response.headers["Cache-Control"] = "no-store"
    return TicketView(ticket=await tickets.give(token), expires_in=LIFE_S)

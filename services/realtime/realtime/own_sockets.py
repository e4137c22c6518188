"""The WebSocket door for those who have signed in: their orders, and for administrators how uploads come along."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, WebSocket

from common.fields import Body
from common.ids import parse_id
from common.knocking import from_state
from realtime.desk import Desk
from realtime.entrance import Entrance
from realtime.imports import NOT_THERE, Reports
from realtime.listener import Dismissed, Guest
from realtime.schemas import Auth, GetOrders, Ping, Resume
from realtime.wire import Actions, accepted, answer_all, greeted, pushing

DeskDep = Annotated[Desk, from_state("desk")]
ReportsDep = Annotated[Reports, from_state("reports")]
EntranceDep = Annotated[Entrance, from_state("entrance")]
TimeoutDep = Annotated[float, from_state("send_timeout_s")]

router = APIRouter()


@dataclass(frozen=True)
class Talk:
    """Who talks with whom."""

    entrance: Entrance
    guest: Guest


@dataclass(frozen=True)
class AboutOrders(Talk):
    """The same at the desk."""

    desk: Desk


@router.websocket("/ws/orders/")
async def orders(websocket: WebSocket, desk: DeskDep, entrance: EntranceDep, timeout_s: TimeoutDep) -> None:
    """The user's own orders as they move; an administrator hears of everyone's."""
    async with accepted(websocket), entrance.signed_in(websocket, timeout_s) as guest:
        await _converse(websocket, AboutOrders(entrance, guest, desk))


@router.websocket("/ws/imports/{task_id}/")
async def imports(
    websocket: WebSocket, task_id: str, reports: ReportsDep, entrance: EntranceDep, timeout_s: TimeoutDep
) -> None:
    """How a bulk upload comes along, to its end; for administrators."""
    async with accepted(websocket), entrance.signed_in(websocket, timeout_s, admin=True) as guest:
        task = parse_id(task_id)
        if task is None:
            raise Dismissed(NOT_THERE)
        async with pushing(guest, reports.follow(task, guest)):
            await answer_all(websocket, guest, FEW_ACTIONS, partial(_answer, Talk(entrance, guest)))


async def _converse(websocket: WebSocket, talk: AboutOrders) -> None:
    """Greet, then push and answer side by side."""
    try:
        async with pushing(talk.guest):
            await greeted(talk.desk, talk.guest)
            await answer_all(websocket, talk.guest, ACTIONS, partial(_answer, talk))
    finally:
        talk.desk.leave(talk.guest)


async def _answer(talk: Talk, request: Body) -> None:
    await ANSWERS[type(request)](talk, request)


async def _orders(talk: AboutOrders, _: GetOrders) -> None:
    await talk.desk.begin(talk.guest)


async def _resume(talk: AboutOrders, request: Resume) -> None:
    await talk.desk.replay(talk.guest, request.stream, request.last_seq)


async def _auth(talk: Talk, request: Auth) -> None:
    await talk.entrance.renew(talk.guest, request.token)
    await talk.guest.say(partial(orjson.dumps, {"type": "signed_in"}))


async def _pong(talk: Talk, _: Ping) -> None:
    await talk.guest.say(partial(orjson.dumps, {"type": "pong"}))


Answer = Callable[[Any, Any], Awaitable[None]]

FEW_ACTIONS: Actions = {"auth": Auth, "ping": Ping}
ACTIONS: Actions = {"get_orders": GetOrders, "resume": Resume, **FEW_ACTIONS}
ANSWERS: dict[type[Body], Answer] = {GetOrders: _orders, Resume: _resume, Auth: _auth, Ping: _pong}

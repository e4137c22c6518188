"""Wires notifier together."""

from functools import partial

from fastapi import FastAPI

from common.app import Service
from common.running import Every
from notifier import api, consumers, tasks, webhooks
from notifier.clients import Accounts
from notifier.comparing import compare_administrators
from notifier.dispatch import Dispatch
from notifier.hooks import dispatch as hooks
from notifier.hooks.dispatch import HookDispatch
from notifier.hooks.keeping import Keeper
from notifier.hooks.signatures import Seal
from notifier.queueing import tidy
from notifier.settings import NotifierSettings

TIDY_S = 60.0
COMPARE_S = 60.0
"""As long as an administrator may be unknown when an event was lost; asking costs auth one look into an index."""
ACCOUNTS_S = 10.0
"""For the list of administrators, for which nobody waits."""


def _wake(*desks: Dispatch | HookDispatch) -> None:
    for desk in desks:
        desk.wake()


def build(settings: NotifierSettings | None = None) -> FastAPI:
    """The web application of notifier."""
    settings = settings or NotifierSettings()
    service = Service("notifier", settings)
    dispatch = Dispatch(service.sessions, tasks.enqueue)
    hook_dispatch = HookDispatch(service.sessions, tasks.enqueue_visits)
    service.hears(consumers.hearing(service.sessions, dispatch.hurry), after=lambda _: _wake(dispatch, hook_dispatch))
    accounts = Accounts(service.sister("auth", settings.auth_url, timeout_s=ACCOUNTS_S))
    service.runs(
        dispatch,
        hook_dispatch,
        Every("notifier tidy", TIDY_S, partial(tidy, service.sessions)),
        Every("notifier webhook tidy", TIDY_S, partial(hooks.tidy, service.sessions)),
        Every("notifier administrators", COMPARE_S, partial(compare_administrators, service.sessions, accounts)),
    )
    state = {
        "list_url": f"{settings.public_url}/api/notifications/",
        "webhooks_url": f"{settings.public_url}{webhooks.PREFIX}/",
        "keeper": Keeper(Seal(settings.webhook_key), settings.webhook_policy),
    }
    return service.app(
        routers=[service.operations("/api/notifications"), api.router, webhooks.router],
        state=state,
    )

"""Wires notifier together."""

from functools import partial

from fastapi import FastAPI

from common.app import Service
from common.running import Every
from notifier import api, consumers, tasks, webhooks
from notifier.clients import Accounts
from notifier.comparing import compare_administrators
from notifier.dispatch import Dispatch
from notifier.figures import figures
from notifier.hooks.dispatch import HookDispatch, tidy_deliveries
from notifier.hooks.keeping import Keeper
from notifier.hooks.signatures import Seal
from notifier.queueing import tidy
from notifier.settings import NotifierSettings

TIDY_S = 60.0
COMPARE_S = 60.0
"""As long as an administrator may be unknown when an event was lost; asking costs auth one look into an index."""
ACCOUNTS_S = 10.0
"""For the list of administrators, for which nobody waits."""


def _wake(mails: Dispatch, hooks: HookDispatch, has_deliveries: bool | None) -> None:
    mails.wake()
    if has_deliveries:
        hooks.wake()


def build(settings: NotifierSettings | None = None) -> FastAPI:
    """The web application of notifier."""
    settings = settings or NotifierSettings()
    service = Service("notifier", settings)
    sessions = service.sessions
    mails, hooks = Dispatch(sessions, tasks.enqueue), HookDispatch(sessions, tasks.enqueue_visits)
    accounts = Accounts(service.sister("auth", settings.auth_url, timeout_s=ACCOUNTS_S))
    service.measures(figures)
    service.hears(consumers.hearing(sessions, mails.hurry), after=partial(_wake, mails, hooks))
    service.runs(
        *(mails, hooks),
        Every("notifier tidy", TIDY_S, partial(tidy, sessions)),
        Every("notifier webhook tidy", TIDY_S, partial(tidy_deliveries, sessions)),
        Every("notifier administrators", COMPARE_S, partial(compare_administrators, sessions, accounts)),
    )
    return service.app(
        routers=[service.operations("/api/notifications"), api.router, webhooks.router],
        state={
            "list_url": f"{settings.public_url}/api/notifications/",
            "webhooks_url": f"{settings.public_url}{webhooks.PREFIX}/",
            "keeper": Keeper(Seal(settings.webhook_key), settings.webhook_policy),
        },
    )

"""Every service keeps the word of its document, whatever it is sent: no 500, and answers of the promised shape.

`make test` sends a few examples an operation, `make fuzz` many; a find comes with the request that repeats it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings
from schemathesis import Case

from .conftest import A_FEW
from .fuzzing import Desk, documents
from .house import Platform

GetDesk = Callable[[str], Desk]

DOCUMENTS = documents()
effort = settings(settings.get_profile("surface"))


@pytest.fixture(scope="session")
def desk(platform: Platform, pytestconfig: pytest.Config) -> Iterator[GetDesk]:
    """The desk of a service, the same one each time."""
    thorough = pytestconfig.getoption("--max-examples") > A_FEW
    with ExitStack() as stack:
        desks = {
            service: stack.enter_context(Desk.opened(platform, service, thorough=thorough)) for service in DOCUMENTS
        }
        yield desks.__getitem__


@DOCUMENTS["auth"].parametrize()
@effort
def test_auth_keeps_its_word(case: Case, desk: GetDesk) -> None:
    desk("auth").ask(case)


@DOCUMENTS["catalog"].parametrize()
@effort
def test_catalog_keeps_its_word(case: Case, desk: GetDesk) -> None:
    desk("catalog").ask(case)


@DOCUMENTS["cart"].parametrize()
@effort
def test_cart_keeps_its_word(case: Case, desk: GetDesk) -> None:
    desk("cart").ask(case)


@DOCUMENTS["orders"].parametrize()
@effort
def test_orders_keeps_its_word(case: Case, desk: GetDesk) -> None:
    desk("orders").ask(case)


@DOCUMENTS["notifier"].parametrize()
@effort
def test_notifier_keeps_its_word(case: Case, desk: GetDesk) -> None:
    desk("notifier").ask(case)


@DOCUMENTS["realtime"].parametrize()
@effort
def test_realtime_keeps_its_word(case: Case, desk: GetDesk) -> None:
    desk("realtime").ask(case)

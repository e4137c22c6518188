"""Every service keeps the word of its document, whatever it is sent: no 500, and answers of the promised shape.

`make test` sends a few examples an operation, `make fuzz` many; a find comes with the request that repeats it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis import Case

from .conftest import A_FEW
from .doors import Door
from .fuzzing import ENDLESS, Desk, documents, of_one
from .house import Platform
from .services import SERVICES
from .table import DOORS

GetDesk = Callable[[str], Desk]

PROMISED = [door for door in DOORS if door.path.startswith("/api/") and door.path not in ENDLESS]
effort = settings(settings.get_profile("surface"))


@pytest.fixture(scope="package")
def promises() -> dict[str, Any]:
    """The documents, read when the first test begins: what to send for them takes longer to work out than to send."""
    return documents()


@pytest.fixture
def promise(door: Door, promises: dict[str, Any]) -> Any:
    """What the document says of one operation."""
    return of_one(promises[door.service], door.method, door.path)


@pytest.fixture(scope="package")
def desk(platform: Platform, pytestconfig: pytest.Config) -> Iterator[GetDesk]:
    """The desk of a service, the same one each time."""
    thorough = pytestconfig.getoption("--max-examples") > A_FEW
    with ExitStack() as stack:
        desks = {
            service: stack.enter_context(Desk.opened(platform, service, thorough=thorough)) for service in SERVICES
        }
        yield desks.__getitem__


@pytest.mark.unit
def test_every_operation_of_the_documents_is_asked(promises: dict[str, Any]) -> None:
    said = {
        f"{service} {method.upper()} {path}"
        for service, document in promises.items()
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert said == {str(door) for door in PROMISED}


@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")  # the services' threads do
@pytest.mark.parametrize("door", PROMISED, ids=str)
@schemathesis.pytest.from_fixture("promise").parametrize()
@effort
def test_a_service_keeps_its_word(case: Case, door: Door, desk: GetDesk) -> None:
    desk(door.service).ask(case)

"""The races' room: what to do when somebody else has entered the same unique key first, or taken a category away."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import IntegrityError

from common.database import error_number
from common.errors import Conflict, Invalid, Problem

P = ParamSpec("P")
T = TypeVar("T")

DUPLICATE = 1062
IN_USE = 1451
NO_PARENT = 1452
"""The server's numbers: a unique key is taken; a row is referred to; the row that is referred to is not there."""


def again_if_overtaken(work: Callable[P, T]) -> Callable[P, T]:
    """Run a transaction once more when a unique key was taken or a category removed meanwhile: the next run sees it."""

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except IntegrityError as error:
            if error_number(error) not in (DUPLICATE, NO_PARENT):
                raise
        return work(*args, **kwargs)

    return run


@contextmanager
def told(number: int, problem: Problem) -> Iterator[None]:
    """Turn what the server calls by this number into the problem."""
    try:
        yield
    except IntegrityError as error:
        if error_number(error) != number:
            raise
        raise problem from error


@contextmanager
def one_product_per_sku() -> Iterator[None]:
    """Turn a taken SKU into a Conflict, and a category that has just been removed into an Invalid."""
    taken = Conflict("another product has this SKU", code="sku_taken")
    with told(DUPLICATE, taken), told(NO_PARENT, unknown_category("this category is not there any more")):
        yield


def unknown_category(detail: str) -> Invalid:
    """The refusal of a category that is not there."""
    return Invalid(detail, code="unknown_category", errors={"category": ["there is no such category"]})

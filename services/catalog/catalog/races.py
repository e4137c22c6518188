"""The races' room: what to do when somebody else has entered the same unique key first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import IntegrityError

from common.database import error_number
from common.errors import Conflict

P = ParamSpec("P")
T = TypeVar("T")

DUPLICATE = 1062


def again_if_overtaken(work: Callable[P, T]) -> Callable[P, T]:
    """Run a transaction once more when a unique key was taken meanwhile: the second run sees whose it is."""

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except IntegrityError as error:
            if error_number(error) != DUPLICATE:
                raise
        return work(*args, **kwargs)

    return run


@contextmanager
def one_product_per_sku() -> Iterator[None]:
    """Turn a taken SKU into a Conflict."""
    try:
        yield
    except IntegrityError as error:
        if error_number(error) != DUPLICATE:
            raise
        raise Conflict("another product has this SKU", code="sku_taken") from error

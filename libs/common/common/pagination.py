"""The lists' room: pages by number with a count, or by cursor without one."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

import orjson
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, func
from sqlalchemy.orm import Session

from common.errors import Invalid, NotFound

Item = TypeVar("Item")

DEFAULT_SIZE = 10
MOST = 100
MOST_PAGE = 1_000_000


class Page(BaseModel, Generic[Item]):
    """One page; `count` is there when pages are asked for by number."""

    count: int | None = None
    next: str | None
    previous: str | None
    results: list[Item]


class ListQuery(BaseModel):
    """Paging parameters of every list; a list adds its filters in a subclass. Unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid")

    page: Annotated[int, Field(ge=1, le=MOST_PAGE)] | None = None
    page_size: Annotated[int, Field(ge=1, le=MOST)] = DEFAULT_SIZE
    cursor: str | None = Field(None, description="Empty for the first page; then as `next` says")
    limit: Annotated[int, Field(ge=1, le=MOST)] | None = None

    @property
    def by_cursor(self) -> bool:
        """Whether the client asked for keyset paging."""
        return self.cursor is not None or self.limit is not None

    @property
    def size(self) -> int:
        """How many rows a page holds."""
        return (self.limit or DEFAULT_SIZE) if self.by_cursor else self.page_size

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return ((self.page or 1) - 1) * self.page_size

    def after(self) -> list[Any] | None:
        """The last row's keys that the cursor carries. Raises Invalid for a cursor that is not ours."""
        return decode_cursor(self.cursor) if self.cursor else None


ListParams = Annotated[ListQuery, Query()]


def encode_cursor(keys: Sequence[Any]) -> str:
    """Keys of the last row as an opaque word."""
    return base64.urlsafe_b64encode(orjson.dumps(list(keys), default=str)).decode().rstrip("=")


def decode_cursor(cursor: str) -> list[Any]:
    """The keys in a cursor. Raises Invalid."""
    try:
        keys = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if (
            isinstance(keys, list)
            and keys
            and all(isinstance(key, str | int) and not isinstance(key, bool) for key in keys)
        ):
            return keys
    except (ValueError, binascii.Error):
        pass
    raise _not_ours()


def numbered(base_url: str, query: ListQuery, count: int, results: list[Item]) -> Page[Item]:
    """A page by number. Raises NotFound past the end, as Django REST framework does."""
    page = query.page or 1
    if page > 1 and query.offset >= count:
        raise NotFound("there is no such page", code="no_such_page")
    more = query.offset + query.page_size < count
    return Page(
        count=count,
        next=_link(base_url, query, page=page + 1) if more else None,
        previous=_link(base_url, query, page=page - 1) if page > 1 else None,
        results=results,
    )


def keyed(base_url: str, query: ListQuery, results: list[Item], last: Sequence[Any] | None) -> Page[Item]:
    """A page by cursor; `last` holds the last row's keys, or None when nothing comes after it."""
    following = None if last is None else _link(base_url, query, cursor=encode_cursor(last), limit=query.size)
    return Page(next=following, previous=None, results=results)


@dataclass(frozen=True)
class Key:
    """The unique column that a list is ordered by; `parse` makes its value of a cursor's word, None if it cannot."""

    column: Any
    parse: Callable[[str], Any]
    down: bool = True


def read_page(
    session: Session, wanted: Select[Any], key: Key, query: ListQuery, base_url: str, view: Callable[[Any], Item]
) -> Page[Item]:
    """The page of rows that the query asks for. Raises Invalid for a bad cursor, NotFound past the end."""
    ordered = wanted.order_by(key.column.desc() if key.down else key.column)
    if query.by_cursor:
        rows = session.scalars(_following(ordered, key, query).limit(query.size + 1)).all()
        shown = rows[: query.size]
        last = [getattr(shown[-1], key.column.key)] if len(rows) > query.size else None
        return keyed(base_url, query, [view(row) for row in shown], last)
    count = session.scalar(wanted.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    rows = session.scalars(ordered.offset(query.offset).limit(query.page_size)).all()
    return numbered(base_url, query, count, [view(row) for row in rows])


def _following(ordered: Select[Any], key: Key, query: ListQuery) -> Select[Any]:
    keys = query.after()
    if keys is None:
        return ordered
    last = key.parse(str(keys[0])) if len(keys) == 1 else None
    if last is None:
        raise _not_ours()
    return ordered.where(key.column < last if key.down else key.column > last)


def _not_ours() -> Invalid:
    return Invalid("this cursor is not one of ours; begin again with an empty one", code="invalid_cursor")


def _link(base_url: str, query: ListQuery, **changed: Any) -> str:
    kept = query.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    if "cursor" in changed:
        kept.pop("page", None)
    return f"{base_url}?{urlencode(kept | changed, doseq=True)}"

"""The bodies' room: what clients may say on a socket and ask over HTTP."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from common.fields import Body, UtcTime, View
from common.tokens import MOST_BYTES

MOST_IDS = 100
"""Ids in one question (design: public surface, 9.3)."""
MOST_SUBSCRIBED = 1000
"""Products in one message, and products that one client may pick in all."""
MOST_RANKED = 100
LARGEST_ID = 2**63 - 1
ID = "[1-9][0-9]{0,17}"
"""As the API page shows one; the last few below `LARGEST_ID` are taken as well."""

ProductId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
ProductIds = Annotated[list[ProductId], Field(min_length=1, max_length=MOST_SUBSCRIBED)]


class GetSoldCounts(Body):
    action: Literal["get_sold_counts"]


class GetOrders(Body):
    action: Literal["get_orders"]


class Subscribe(Body):
    action: Literal["subscribe"]
    product_ids: ProductIds


class Unsubscribe(Body):
    action: Literal["unsubscribe"]
    product_ids: ProductIds


class Resume(Body):
    action: Literal["resume"]
    stream: Annotated[str, Field(max_length=64)]
    last_seq: Annotated[int, Field(ge=0, le=LARGEST_ID)]


class Ping(Body):
    action: Literal["ping"]


class Auth(Body):
    """The first message of who sends no header, and later a newer token in place of the present one."""

    action: Literal["auth"]
    token: Annotated[str, Field(min_length=1, max_length=MOST_BYTES)]


def _checked(ids: str) -> str:
    parts = ids.split(",")
    fit = all(part.isascii() and part.isdigit() and 1 <= int(part[:20]) <= LARGEST_ID for part in parts)
    if not fit or len(parts) > MOST_IDS:
        raise ValueError(f"send product ids with commas between them, at most {MOST_IDS}")
    return ids


class SnapshotQuery(BaseModel):
    """Parameters of the snapshot; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[str, AfterValidator(_checked)] | None = Field(
        None,
        description=f"Product ids, comma-separated, at most {MOST_IDS}",
        json_schema_extra={"pattern": f"^{ID}(,{ID}){{0,{MOST_IDS - 1}}}$"},
    )

    @property
    def products(self) -> list[int] | None:
        """The ids asked for, each once; None for everything."""
        return None if self.ids is None else list(dict.fromkeys(int(part) for part in self.ids.split(",")))


class SoldCount(View):
    id: int
    sold_count: int


class SnapshotView(View):
    """The counts as of message `seq` of `stream`."""

    stream: UUID
    seq: int
    data: list[SoldCount]


class TicketView(View):
    """Once, as `?ticket=` of a socket's address."""

    ticket: str
    expires_in: int
    """Seconds."""


class RankingQuery(BaseModel):
    """Parameters of the best sellers; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")

    window: Literal["1h", "24h", "7d"] = "24h"
    limit: Annotated[int, Field(ge=1, le=MOST_RANKED)] = 10


class BestSeller(View):
    """A product and its units sold within the window."""

    id: int
    sold_count: int


class RankingView(View):
    """The best first. `since` is the begin of the window's first minute (`1h`) or hour."""

    window: str
    since: UtcTime
    data: list[BestSeller]

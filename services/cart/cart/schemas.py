"""The bodies that cart takes and gives."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self
from uuid import UUID
from zlib import crc32

from pydantic import Field

from cart.holders import NOBODY, Holder
from cart.models import MOST_ID, MOST_PIECES, Line, ProductCopy
from common.fields import Body, Sum, View

ProductId = Annotated[int, Field(ge=1, le=MOST_ID)]
Limit = Literal["quantity_limit", "cart_full"]


class AddItem(Body):
    product_id: ProductId
    quantity: int = Field(1, ge=1, le=MOST_PIECES)


class UpdateItem(Body):
    product_id: ProductId
    quantity: int = Field(ge=0, le=MOST_PIECES, description="0 takes the product out")


class RemoveItem(Body):
    product_id: ProductId


class MergeCart(Body):
    cart_token: str = Field(description="What the guest's cart was called for by, as `X-Cart-Token`")


class ProductView(View):
    id: int
    sku: str | None
    name: str
    price: Sum
    currency: str
    availability: str

    @classmethod
    def of(cls, product: ProductCopy) -> Self:
        """The public form of a copied product."""
        shared = {name: getattr(product, name) for name in cls.model_fields if name != "id"}
        return cls(id=product.product_id, **shared)


class ItemView(View):
    id: UUID
    product: ProductView
    quantity: int
    unit_price: Sum = Field(description="Today's price")
    total_price: Sum
    price_changed: bool = Field(description="Whether the price has moved since the product was put in")
    available: bool

    @classmethod
    def of(cls, line: Line, product: ProductCopy) -> Self:
        """The public form of a line, at today's price."""
        return cls(
            id=line.id,
            product=ProductView.of(product),
            quantity=line.quantity,
            unit_price=product.price,
            total_price=product.price * line.quantity,
            price_changed=line.price != product.price,
            available=product.is_on_sale and product.is_in_stock,
        )


class ProblemView(View):
    """Why a line could not be ordered now; `code` is what placing the order would be refused with."""

    product_id: int
    code: Literal["product_unavailable", "insufficient_stock"]
    detail: str

    @classmethod
    def of(cls, product: ProductCopy) -> Self:
        """What stands against ordering this product."""
        if not product.is_on_sale:
            detail = f"{product.name} is no longer on sale"
            return cls(product_id=product.product_id, code="product_unavailable", detail=detail)
        return cls(product_id=product.product_id, code="insufficient_stock", detail=f"{product.name} is out of stock")


class CartView(View):
    id: UUID | None = Field(description="null where there is no cart: a guest has put nothing in")
    user: UUID | None = Field(description="null for a guest")
    items: list[ItemView]
    total: Sum
    currency: str
    version: int
    problems: list[ProblemView]

    @classmethod
    def of(cls, holder: Holder, version: int, lines: Sequence[tuple[Line, ProductCopy]], currency: str) -> Self:
        """The public form of a cart."""
        items = [ItemView.of(line, product) for line, product in lines]
        return cls(
            id=None if holder == NOBODY else holder.cart_id,
            user=holder.user_id,
            items=items,
            total=sum(item.total_price for item in items),
            currency=currency,
            version=version,
            problems=[
                ProblemView.of(product) for item, (_, product) in zip(items, lines, strict=True) if not item.available
            ],
        )

    @property
    def etag(self) -> str:
        """The version and a sum over the body, which also changes with a product's price or availability."""
        return f'"{self.version}-{crc32(self.model_dump_json().encode()):08x}"'


class ValidationView(View):
    ok: bool = Field(description="Whether nothing stands against ordering what lies in the cart")
    problems: list[ProblemView]
    total: Sum

    @classmethod
    def of(cls, cart: CartView) -> Self:
        """What the cart says of itself, in short."""
        return cls(ok=not cart.problems, problems=cart.problems, total=cart.total)


class AdjustmentView(View):
    """A line of a guest's cart that did not come over whole."""

    product_id: int
    code: Limit
    requested: int = Field(description="Pieces in the guest's cart")
    taken: int = Field(description="Pieces that came over")

    @classmethod
    def of(cls, line: Line, taken: int, code: Limit) -> Self:
        """What a limit has done to a line."""
        return cls(product_id=line.product_id, code=code, requested=line.quantity, taken=taken)


class MergeView(View):
    cart: CartView
    adjustments: list[AdjustmentView]


class LineView(View):
    product_id: int
    quantity: int


class LinesView(View):
    """A cart as sisters see it."""

    items: list[LineView]

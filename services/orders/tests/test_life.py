"""The life of orders, walked at random on the real database beside a model that fits on a page."""

from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import booleans, sampled_from
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from common.outbox import outbox
from common.testing.signing import SignedUser, Signer

from .conftest import Shelves

STATUSES = ("pending", "processing", "shipped", "delivered", "cancelled")
STEPS = {
    ("pending", "processing"),
    ("pending", "cancelled"),
    ("processing", "shipped"),
    ("processing", "cancelled"),
    ("shipped", "delivered"),
}
EFFORT = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@dataclass
class Model:
    """What an order should be."""

    path: str
    status: str = "pending"
    tracking: str = ""
    version: int = 1
    moves: list[str] = field(default_factory=lambda: ["pending"])
    said: list[str] = field(default_factory=lambda: ["order.placed"])

    def step(self, status: str, tracking: str | None = None) -> int:
        """The answer's status."""
        tracking = self.tracking if tracking is None else tracking
        if status != self.status and (self.status, status) not in STEPS:
            return 409
        if (status, tracking) != (self.status, self.tracking):
            self.version += 1
            self.said.append("order.cancelled" if status == "cancelled" != self.status else "order.status_changed")
        if status != self.status:
            self.moves.append(status)
        self.status, self.tracking = status, tracking
        return 200


@dataclass(frozen=True)
class Shop:
    """Where orders live."""

    client: TestClient
    shelves: Shelves
    engine: Engine
    signer: Signer
    admin: SignedUser


class Life(RuleBasedStateMachine):
    """Orders of one buyer, who has a rival and an administrator."""

    shop: ClassVar[Shop]
    orders = Bundle("orders")

    @initialize()
    def begin(self) -> None:
        self.owner, self.other = self.shop.signer.user("ada"), self.shop.signer.user("bob")
        self.models: list[Model] = []
        self.shop.shelves.stock = {1: 10_000}

    def _shown(self, model: Model, answer: Any, expected: int) -> None:
        assert answer.status_code == expected, (model, answer.text)
        if expected == 200:
            assert answer.headers["etag"] == f'"{model.version}"'
            shown = answer.json()
            assert (shown["status"], shown["tracking"], shown["version"]) == (
                model.status,
                model.tracking,
                model.version,
            )

    @rule(target=orders)
    def place(self) -> Model:
        body = {"items": [{"product_id": 1, "quantity": 1}]}
        answer = self.shop.client.post("/api/orders/", json=body, headers=self.owner.headers)
        assert answer.status_code == 201
        model = Model(answer.headers["location"])
        self.models.append(model)
        return model

    @rule(model=orders, status=sampled_from(STATUSES), tracking=sampled_from([None, None, "", "T-1", "T-2"]))
    def move(self, model: Model, status: str, tracking: str | None) -> None:
        answer = self.shop.client.patch(
            model.path, json={"status": status, "tracking": tracking}, headers=self.shop.admin.headers
        )
        self._shown(model, answer, model.step(status, tracking))

    @rule(model=orders, status=sampled_from(STATUSES), behind=sampled_from([0, 1]))
    def move_what_was_seen(self, model: Model, status: str, behind: int) -> None:
        headers = self.shop.admin.headers | {"If-Match": f'"{model.version - behind}"'}
        answer = self.shop.client.put(model.path, json={"status": status}, headers=headers)
        self._shown(model, answer, 412 if behind else model.step(status))

    @rule(model=orders, by_admin=booleans(), by_post=booleans())
    def cancel(self, model: Model, by_admin: bool, by_post: bool) -> None:
        headers = (self.shop.admin if by_admin else self.owner).headers
        method, path = ("POST", f"{model.path}cancel/") if by_post else ("DELETE", model.path)
        answer = self.shop.client.request(method, path, headers=headers)
        late = not by_admin and model.status == "processing"
        self._shown(model, answer, 409 if late else model.step("cancelled"))

    @rule(model=orders)
    def cancel_twice_with_one_key(self, model: Model) -> None:
        headers = self.shop.admin.headers | {"Idempotency-Key": str(uuid4())}
        expected = model.step("cancelled")
        for replayed in (None, "true"):
            answer = self.shop.client.post(f"{model.path}cancel/", headers=headers)
            self._shown(model, answer, expected)
            assert answer.headers.get("idempotent-replayed") == (replayed if expected == 200 else None)

    @rule(model=orders, status=sampled_from(STATUSES))
    def meddle(self, model: Model, status: str) -> None:
        assert (
            self.shop.client.patch(model.path, json={"status": status}, headers=self.owner.headers).status_code == 403
        )
        assert self.shop.client.delete(model.path, headers=self.other.headers).status_code == 404

    @rule(model=orders)
    def look(self, model: Model) -> None:
        self._shown(model, self.shop.client.get(model.path, headers=self.owner.headers), 200)
        timeline = self.shop.client.get(f"{model.path}timeline/", headers=self.owner.headers).json()
        assert [move["status"] for move in timeline] == model.moves

    @rule(status=sampled_from(STATUSES))
    def list_them(self, status: str) -> None:
        page = self.shop.client.get(f"/api/orders/?status={status}&page_size=100", headers=self.owner.headers).json()
        wanted = [model.path for model in reversed(self.models) if model.status == status]
        assert [f"/api/orders/{order['id']}/" for order in page["results"]] == wanted
        assert page["count"] == len(wanted)

    def teardown(self) -> None:
        for model in getattr(self, "models", []):
            assert _said(self.shop.engine, model) == list(enumerate(model.said, start=1))


def _said(engine: Engine, model: Model) -> list[tuple[int, str]]:
    subject = model.path.split("/")[-2]
    with Session(engine) as session:
        rows = select(outbox.c.sequence, outbox.c.type).where(outbox.c.subject == subject)
        return [(row.sequence, row.type) for row in session.execute(rows.order_by(outbox.c.sequence))]


def test_an_order_lives_as_the_model_says(client: TestClient, shelves: Shelves, engine: Engine, signer: Signer) -> None:
    shop = Shop(client, shelves, engine, signer, signer.admin())
    run_state_machine_as_test(type("LifeHere", (Life,), {"shop": shop}), settings=EFFORT)


def test_the_model_is_not_the_code(ada: SignedUser) -> None:
    """Every legal step is in the model and no other; said here once more, in words of the design's table."""
    legal = {(a, b) for a in STATUSES for b in STATUSES if a != b and Model("", a).step(b) == 200}
    assert legal == STEPS

"""The next release of each service, in an image of its own: today's code with what its developers would have changed.

An event has a field more, an internal answer too, and a table a column, which is added before the release runs and is
unknown to the one before it (docs/migrations.md).
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stoa.servers import SCHEMAS
from stoa.settings import ROOT

from .containers import ContainerSite

TABLES = {
    "auth": "users",
    "catalog": "products",
    "cart": "carts",
    "orders": "orders",
    "notifier": "notifications",
    "realtime": "sold",
}
EDITS = (
    (
        "libs/common/common/events/base.py",
        "    dataversion: ClassVar[int] = 1\n\n    @property\n    def subject",
        "    dataversion: ClassVar[int] = 1\n\n    edition: int = 2\n\n    @property\n    def subject",
    ),
    (
        "services/catalog/catalog/sister_schemas.py",
        "    items: list[Refused] = []\n\n\nclass ReservationOutcomes",
        '    items: list[Refused] = []\n    warehouse: str = "north"\n\n\nclass ReservationOutcomes',
    ),
    (
        "services/orders/orders/clients.py",
        "    items: list[Shortage] = []\n",
        "    items: list[Shortage] = []\n    warehouse: str | None = None\n",
    ),
    (
        "services/orders/orders/models.py",
        "    number: Mapped[str] = mapped_column(String(24, collation=EXACT))\n",
        "    number: Mapped[str] = mapped_column(String(24, collation=EXACT))\n"
        "    edition: Mapped[int | None] = mapped_column(default=2)\n",
    ),
)
"""What stands once in a file of today's, and what stands there in the next release."""
MIGRATION = '''\
"""Made for a trial."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{revision}", "{before}", None, None


def upgrade() -> None:
    op.add_column("{table}", sa.Column("edition", sa.Integer, nullable=True))
'''
TAG = "next"


def write(folder: Path) -> None:
    """All of it, ready to be built. Raises ValueError when today's code is no longer what it changes."""
    unwanted = shutil.ignore_patterns("tests", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "libs" / "common", folder / "libs" / "common", ignore=unwanted)
    shutil.copytree(ROOT / "services", folder / "services", ignore=unwanted)
    for file, old, new in EDITS:
        parts = (folder / file).read_text().split(old)
        if len(parts) != 2:
            raise ValueError(f"{file} does not hold once: {old}")
        (folder / file).write_text(new.join(parts))
    for service, table in TABLES.items():
        versions = folder / "services" / service / service / "migrations" / "versions"
        newest = int(max(path.name for path in versions.glob("[0-9]*.py")).partition("_")[0])
        told = MIGRATION.format(revision=f"{newest + 1:04}", before=f"{newest:04}", table=table)
        (versions / f"{newest + 1:04}_edition.py").write_text(told)


def build(folder: Path, service: str) -> None:
    """Its image."""
    recipe = str(ROOT / "deploy" / "Dockerfile")
    words = ["--file", recipe, "--build-arg", f"SERVICE={service}", "--tag", _image(service), str(folder)]
    subprocess.run(["docker", "build", "--quiet", *words], check=True, capture_output=True)


def forget() -> None:
    """No image is left."""
    subprocess.run(["docker", "image", "rm", *map(_image, SCHEMAS)], check=False, capture_output=True)


def _image(service: str) -> str:
    return f"stoa-{service}:{TAG}"


def beside(description: Path, network: str) -> dict[str, Any]:
    """The description of both releases, each service found at two addresses; the next ones run when they are named."""
    addresses = {name: (f"{network}.{number}", f"{network}.{number + 100}") for number, name in enumerate(SCHEMAS, 11)}
    both = {name: ",".join(f"http://{address}:8000" for address in each) for name, each in addresses.items()}
    urls = {f"STOA_{name.upper()}_URL": urls for name, urls in both.items()} | {"STOA_DRAIN_S": "3"}
    servers = {f"STOA_{name.upper()}_SERVERS": urls for name, urls in both.items()}
    services: dict[str, Any] = {"gateway": {"environment": servers}, "portal": {"environment": urls}}
    for name, (now, then) in addresses.items():
        services[name] = {"environment": urls, "networks": {"inside": {"ipv4_address": now}}}
        services[f"{name}-{TAG}"] = _next(description, name, name) | {
            "environment": urls,
            "networks": {"inside": {"ipv4_address": then}},
        }
        services[f"{name}-migration-{TAG}"] = _next(description, f"{name}-migration", name)
    for name in ("catalog", "notifier"):
        services[f"{name}-worker"] = {"environment": urls}
        services[f"{name}-worker-{TAG}"] = _next(description, f"{name}-worker", name) | {"environment": urls}
    others = {"subnet": f"{network}.0/24", "ip_range": f"{network}.192/26"}
    return {"services": services, "networks": {"inside": {"ipam": {"config": [others]}}}}


def _next(description: Path, name: str, service: str) -> dict[str, Any]:
    return {
        "extends": {"file": str(description), "service": name},
        "image": _image(service),
        "profiles": [TAG],
    }


@dataclass(frozen=True)
class Releases:
    """Both releases of a service, each with its worker, if there is one."""

    site: ContainerSite
    service: str

    def migrate(self) -> None:
        """The next release's migrations, while the one before it runs."""
        name = f"{self.service}-migration-{TAG}"
        self.site.house.compose.do(f"{name} failed", "run", "--rm", "--no-deps", name)

    def start(self, release: str) -> None:
        """Let one run, and wait until it is ready."""
        names = self._names(release)
        self.site.house.compose.do(f"{names} do not start", "up", "--detach", "--wait", "--no-deps", *names)

    def stop(self, release: str) -> None:
        """End one as an operator would."""
        names = self._names(release)
        self.site.house.compose.do(f"{names} do not stop", "stop", *names)

    def _names(self, release: str) -> list[str]:
        workers = [f"{self.service}-worker"] if self.service in ("catalog", "notifier") else []
        return [f"{name}-{release}" if release else name for name in (self.service, *workers)]

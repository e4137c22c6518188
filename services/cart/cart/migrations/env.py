"""Brings cart's schema to the wanted revision."""

from cart.models import Base
from common.migrations import run

run(Base.metadata)

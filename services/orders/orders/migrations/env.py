"""Brings orders' schema to the wanted revision."""

from common.migrations import run
from orders.models import Base

run(Base.metadata)

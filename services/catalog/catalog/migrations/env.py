"""Brings catalog's schema to the wanted revision."""

from catalog.models import Base
from common.migrations import run

run(Base.metadata)

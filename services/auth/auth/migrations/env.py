"""Brings auth's schema to the wanted revision."""

from auth.models import Base
from common.migrations import run

run(Base.metadata)

"""Brings notifier's schema to the wanted revision."""

from common.migrations import run
from notifier.hooks.models import Base

run(Base.metadata)

"""Runs realtime's migrations."""

from common.migrations import run
from realtime.models import Base

run(Base.metadata)

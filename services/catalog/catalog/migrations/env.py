"""Brings catalog's schema to the wanted revision."""

from catalog.upload_models import Import
from common.migrations import run

run(Import.metadata)  # whose module has seen those of all other tables

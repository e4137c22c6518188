"""The Celery door of catalog: imports, worked through beside the requests."""

from functools import lru_cache
from uuid import UUID

import structlog

from catalog import importing
from catalog.settings import CatalogSettings
from catalog.storage import Store, new_store
from common.celery import enqueue as hand_over
from common.celery import new_celery, telling
from common.database import Sessions, new_engine, new_sessions

log = structlog.get_logger(__name__)

STATEMENT_S = 30
"""How long one statement of a chunk may take; nobody waits for an answer here."""

celery = new_celery("catalog", "catalog.tasks")


@lru_cache
def _settings() -> CatalogSettings:
    return CatalogSettings()


@lru_cache
def _sessions() -> Sessions:
    """One small pool per worker process, made by its first task."""
    return new_sessions(new_engine(_settings().database_url, pool_size=2, read_timeout_s=STATEMENT_S))


@lru_cache
def _store() -> Store:
    return new_store(_settings())


@celery.task(name="catalog.import")  # type: ignore[untyped-decorator]
def run_import(import_id: str) -> None:
    """Work through one import, from wherever it stands."""
    with telling(celery) as tell:
        importing.run_import(_sessions(), UUID(import_id), _store(), _settings().currency, tell)


def enqueue(import_id: UUID) -> bool:
    """Tell a worker of an import; whether the broker has confirmed the message."""
    try:
        hand_over(run_import, (str(import_id),))
    except ConnectionError as error:
        log.warning("broker_away", error=repr(error))
        return False
    return True

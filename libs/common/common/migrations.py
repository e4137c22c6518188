"""The migrations' room: what every service's `env.py` does, so that each has three lines."""

import os
from typing import Any

import stamina
from alembic import context
from sqlalchemy import MetaData, create_engine, event, pool

LOCK_WAIT_S = 2
"""How long a change of a table waits for those who use it. Whoever comes meanwhile waits behind it."""
PAUSE_S = 1.0
"""How long it then lets them pass before it tries again."""
GIVE_UP_S = 600.0
LOCK_WAIT_TIMEOUT = 1205


def run(metadata: MetaData) -> None:
    """Bring the schema at STOA_DATABASE_URL (or the caller's `url` attribute) to the wanted revision, while it is used.

    Raises OperationalError when a table was not free for a moment in ten minutes; it may be run again.
    """
    url = context.config.attributes.get("url") or os.environ["STOA_DATABASE_URL"]
    briefly = f"SET SESSION lock_wait_timeout={LOCK_WAIT_S}, innodb_lock_wait_timeout={LOCK_WAIT_S}"
    engine = create_engine(
        url, poolclass=pool.NullPool, isolation_level="READ COMMITTED", connect_args={"init_command": briefly}
    )
    event.listen(engine, "do_execute", _until_it_gets_in)
    event.listen(engine, "do_execute_no_params", _until_it_gets_in)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()


def _until_it_gets_in(cursor: Any, statement: str, *parameters: Any) -> bool:
    """Execute the statement; when it has not got its lock, which leaves nothing of it behind, once more."""
    *given, _ = parameters
    waits = {"wait_initial": PAUSE_S, "wait_max": PAUSE_S, "wait_jitter": 0.0}
    for attempt in stamina.retry_context(on=_has_not_got_in, attempts=None, timeout=GIVE_UP_S, **waits):
        with attempt:
            cursor.execute(statement, *given)
    return True


def _has_not_got_in(error: Exception) -> bool:
    return error.args[:1] == (LOCK_WAIT_TIMEOUT,)

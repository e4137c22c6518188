"""The migrations' room: what every service's `env.py` does, so that each has three lines."""

import os

from alembic import context
from sqlalchemy import MetaData, create_engine, pool


def run(metadata: MetaData) -> None:
    """Bring the schema at STOA_DATABASE_URL (or the caller's `url` attribute) to the wanted revision."""
    url = context.config.attributes.get("url") or os.environ["STOA_DATABASE_URL"]
    engine = create_engine(url, poolclass=pool.NullPool, isolation_level="READ COMMITTED")
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()

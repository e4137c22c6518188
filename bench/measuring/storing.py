"""How large tables are."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Engine

ALL = "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema IN ({})"
SIZES = """
SELECT CONCAT(s.database_name, '.', s.table_name), SUM(s.stat_value) * @@innodb_page_size
FROM mysql.innodb_index_stats AS s WHERE s.stat_name = 'size' GROUP BY 1
"""


def tables_of(engine: Engine, schemas: Sequence[str]) -> list[str]:
    """All tables of these schemas, as `schema.table`."""
    wanted = ", ".join(f"'{schema}'" for schema in schemas)
    with engine.connect() as connection:
        return [str(name) for name in connection.exec_driver_sql(ALL.format(wanted)).scalars()]


def table_bytes(engine: Engine, names: Iterable[str]) -> dict[str, int]:
    """Bytes of these tables with their indexes, counted in pages of InnoDB."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in names:
            connection.exec_driver_sql(f"ANALYZE TABLE {name}")
        found = {str(name): int(size) for name, size in connection.exec_driver_sql(SIZES)}
    return {name: found[name] for name in names if name in found}

"""The spending's room: what each process of a stack has had of the processors, and how large the tables are."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from sqlalchemy import Engine, text

TICKS = os.sysconf("SC_CLK_TCK")
SIZES = """
SELECT CONCAT(s.database_name, '.', s.table_name), SUM(s.stat_value) * @@innodb_page_size
FROM mysql.innodb_index_stats AS s WHERE s.stat_name = 'size' GROUP BY 1
"""


def cpu_of(stat: str) -> tuple[int, float]:
    """From a line of `/proc/<pid>/stat`: the process group, and seconds of its own and of children it has waited for.

    The name may hold blanks and brackets; what is counted follows the last bracket (proc(5)).
    """
    fields = stat.rpartition(")")[2].split()
    return int(fields[2]), sum(map(int, fields[11:15])) / TICKS


def cpu_by_group(stats: Iterable[str]) -> Mapping[int, float]:
    """Seconds of all processes of each group; each program of a stack is the head of one."""
    spent: Counter[int] = Counter()
    for stat in stats:
        group, seconds = cpu_of(stat)
        spent[group] += seconds  # type: ignore[assignment]
    return spent


def cpu_now() -> Mapping[int, float]:
    """The same of everything that runs."""
    return cpu_by_group(_stats())


def _stats() -> Iterable[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile


def table_bytes(engine: Engine, names: Iterable[str]) -> dict[str, int]:
    """Bytes of these tables with their indexes, as `schema.table`, counted in pages."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in names:
            connection.execute(text(f"ANALYZE TABLE {name}"))
        found = {str(name): int(size) for name, size in connection.execute(text(SIZES))}
    return {name: found[name] for name in names if name in found}

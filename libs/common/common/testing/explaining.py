"""The planners' bench: what a database reads for a piece of work, and how it means to find it."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

T = TypeVar("T")


def rows_read(session: Session, work: Callable[[], T]) -> tuple[T, int]:
    """What the work comes to, and how many rows this connection has read for it in tables and in indexes."""
    first, second = _counter(session), _counter(session)
    result = work()
    return result, _counter(session) - second - (second - first)


def _counter(session: Session) -> int:
    return sum(int(number) for _, number in session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'")))


def plans(engine: Engine, work: Callable[[], object]) -> list[dict[str, Any]]:
    """The server's plans, row by row, of all statements that this engine sends during the work."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _k: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        # MySQL 9 explains as a tree unless told otherwise.
        explain = "EXPLAIN" if getattr(engine.dialect, "is_mariadb", False) else "EXPLAIN FORMAT=TRADITIONAL"
        return [
            {str(name): value for name, value in row.items()}
            for statement, parameters in sent
            for row in connection.exec_driver_sql(f"{explain} {statement}", parameters).mappings()
        ]

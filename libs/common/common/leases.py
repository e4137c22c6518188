"""The leases' room: what one process of a service may do at a time, by an advisory lock that its database keeps."""

from sqlalchemy import Connection, text


def take(lease: Connection, name: str) -> bool:
    """Whether the lock is this connection's now; does not wait for it."""
    got = lease.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": name}).scalar()
    lease.commit()
    return got == 1


def still_held(lease: Connection, name: str) -> None:
    """Raise ConnectionError unless the lock is still this connection's."""
    held = lease.execute(text("SELECT IS_USED_LOCK(:name) = CONNECTION_ID()"), {"name": name}).scalar()
    lease.commit()
    if held != 1:
        raise ConnectionError("the lock is gone")


def let_go(lease: Connection) -> None:
    """Close for good: the lock goes with the connection, which must not return to the pool holding it."""
    lease.invalidate()
    lease.close()

"""The workers' room: a Celery application on RabbitMQ, with the settings that lose no task."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import amqp
import structlog
from amqp.exceptions import AMQPError
from celery import Celery, Task
from celery.signals import setup_logging, worker_init, worker_process_init
from kombu import Connection, Exchange
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import connections

from common import logs, tracing
from common.broker import EXCHANGE
from common.collecting import spare_what_stays
from common.events import Envelope, Event
from common.events.base import CONTENT_TYPE
from common.settings import Settings

log = structlog.get_logger(__name__)

CHUNK_S = 540
"""A task must end within ten minutes (design: reliability, section 6); longer work goes on in another task."""
CONNECT_S = 2
CONFIRM_S = 5
"""How long the broker may take to answer, and to confirm that it has the message (design: reliability 3.7)."""
LISTEN_S = 0.001
"""How long to listen whether a kept connection has ended; what has come is there at once."""
TELL_S = 2
"""The same for what is worth no longer wait, because the next of its kind makes up for it."""
TRANSIENT = 1


def new_celery(service: str, tasks: str) -> Celery:
    """The service's Celery application; `tasks` is its module. Settings are read from the environment at first use."""
    celery = Celery(service, include=[tasks], task_cls=Traced)
    celery.add_defaults(lambda: _defaults(service))

    def log_as_we_do(**_: Any) -> None:
        logs.configure(f"{service} worker", Settings().log_level)

    def tell_of_spans(**_: Any) -> None:
        tracing.configure(f"{service}-worker")

    worker_init.connect(tell_of_spans, weak=False)
    setup_logging.connect(log_as_we_do, weak=False)
    worker_process_init.connect(spare_what_stays, weak=False)
    return celery


class Traced(Task):  # type: ignore[misc]  # Celery has no types
    """A task whose run goes on in the trace of whoever has handed it over."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, within the request that the worker has made of the message."""
        trace = getattr(self.request, "traceparent", None)
        if trace is None:
            return self.run(*args, **kwargs)
        with tracing.span(f"run {self.name}", "consumer", trace):
            return self.run(*args, **kwargs)


def _defaults(service: str) -> dict[str, Any]:
    return {
        "broker_url": Settings().broker_url,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {"confirm_publish": True},
        "task_default_queue": f"{service}.jobs",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "task_soft_time_limit": CHUNK_S,
        "task_time_limit": CHUNK_S + 30,
        "worker_prefetch_multiplier": 1,
        "worker_enable_prefetch_count_reduction": False,  # its restoring reads the connection from the pool's threads
    }


def enqueue(task: Task, *calls: Iterable[Any]) -> None:
    """Hand the workers one call of the task for each list of arguments, over a connection that is kept for the next.

    The broker is asked once and not for long. Raises ConnectionError when it has not confirmed them all.
    """
    try:
        with _kept_connection(task.app) as connection:
            connection.declared_entities.clear()  # or a queue that was deleted would be missed by nobody
            for arguments in calls:
                options = {"headers": tracing.headers(), "retry": False, "confirm_timeout": CONFIRM_S}
                task.apply_async(tuple(arguments), connection=connection, **options)
    except (OperationalError, LimitExceeded, AMQPError, OSError) as error:
        raise ConnectionError(f"the broker did not confirm: {error!r}") from error


@contextmanager
def _kept_connection(app: Celery) -> Iterator[Connection]:
    """One of a few connections that outlive the block, made anew where one has died; dropped when the block fails.

    What was told over a connection that then fails may have arrived, so nothing is told again behind the caller's back.
    """
    options = {"max_retries": 0, "confirm_publish": True, "read_timeout": CONFIRM_S, "write_timeout": CONFIRM_S}
    there = app.connection_for_write(connect_timeout=CONNECT_S, transport_options=options)
    with connections[there].acquire(block=True, timeout=CONFIRM_S) as connection:
        if connection.connected:
            _drop_if_dead(connection.default_channel.connection)
        line = connection.default_channel.connection
        try:
            yield connection
        except BaseException:
            line.collect()  # without a goodbye: a broker that does not answer would have to be waited for
            raise


def _drop_if_dead(line: amqp.Connection) -> None:
    """Listen for its end; the broker says nothing else unless it is asked."""
    try:
        line.drain_events(timeout=LISTEN_S)
    except TimeoutError:
        return
    except (AMQPError, OSError):
        pass
    line.collect()


@contextmanager
def telling(app: Celery) -> Iterator[Callable[[Event], bool]]:
    """A way to say events at once, beside the outbox, for those that the next one supersedes.

    It returns whether the broker has confirmed, after a few seconds at most, and raises nothing when it has not. One
    connection, made by the first event, serves the whole block.
    """
    options = {"max_retries": 0, "confirm_publish": True, "read_timeout": TELL_S, "write_timeout": TELL_S}
    with app.connection_for_write(connect_timeout=TELL_S, transport_options=options) as connection:
        yield partial(_tell, connection)


def _tell(connection: Connection, event: Event) -> bool:
    """Say the event; over a new connection if the one that is there turns out to be dead."""
    for _ in range(2 if connection.connected else 1):
        try:
            _publish(connection, Envelope.of(event))
        except (OperationalError, AMQPError, OSError) as error:
            log.warning("event_not_told", type=event.type, error=repr(error))
            connection.collect()
        else:
            return True
    return False


def _publish(connection: Connection, envelope: Envelope) -> None:
    exchange = Exchange(EXCHANGE, type="topic", durable=True)
    connection.Producer().publish(
        envelope.encode(),
        exchange=exchange,
        declare=[exchange],
        routing_key=envelope.type,
        message_id=str(envelope.id),
        content_type=CONTENT_TYPE,
        content_encoding="binary",
        delivery_mode=TRANSIENT,
        confirm_timeout=TELL_S,
    )

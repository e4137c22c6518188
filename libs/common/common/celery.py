"""The workers' room: a Celery application on RabbitMQ, with the settings that lose no task."""

from collections.abc import Iterable
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging
from kombu.exceptions import OperationalError

from common import logs
from common.settings import Settings

CHUNK_S = 540
"""A task must end within ten minutes (design: reliability, section 6); longer work goes on in another task."""
CONNECT_S = 2
CONFIRM_S = 5
"""How long the broker may take to answer, and to confirm that it has the message (design: reliability 3.7)."""


def new_celery(service: str, tasks: str) -> Celery:
    """The service's Celery application; `tasks` is its module. Settings are read from the environment at first use."""
    celery = Celery(service, include=[tasks])
    celery.add_defaults(lambda: _defaults(service))

    def log_as_we_do(**_: Any) -> None:
        logs.configure(f"{service} worker", Settings().log_level)

    setup_logging.connect(log_as_we_do, weak=False)
    return celery


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
    }


def enqueue(task: Task, *calls: Iterable[Any]) -> None:
    """Hand the workers one call of the task for each list of arguments, over one connection.

    The broker is asked once and not for long. Raises ConnectionError when it has not confirmed them all.
    """
    options = {"max_retries": 0, "confirm_publish": True}
    try:
        with task.app.connection_for_write(connect_timeout=CONNECT_S, transport_options=options) as connection:
            for arguments in calls:
                task.apply_async(tuple(arguments), connection=connection, retry=False, confirm_timeout=CONFIRM_S)
    except (OperationalError, OSError) as error:
        raise ConnectionError(f"the broker did not confirm: {error!r}") from error

"""The workers' room: a Celery application on RabbitMQ, with the settings that lose no task."""

from typing import Any

from celery import Celery

from common import logs
from common.settings import Settings

CHUNK_S = 540
"""A task must end within ten minutes (design: reliability, section 6); longer work goes on in another task."""


def new_celery(service: str, tasks: str) -> Celery:
    """The service's Celery application; `tasks` is its module. Settings are read from the environment at first use."""
    celery = Celery(service, include=[tasks])
    celery.add_defaults(lambda: _defaults(service))
    return celery


def _defaults(service: str) -> dict[str, Any]:
    settings = Settings()
    logs.configure(f"{service} worker", settings.log_level)
    return {
        "broker_url": settings.broker_url,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {"confirm_publish": True},
        "task_default_queue": f"{service}.jobs",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "task_soft_time_limit": CHUNK_S,
        "task_time_limit": CHUNK_S + 30,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
    }

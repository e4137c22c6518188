"""The logs' room: one line of JSON per event on standard output, with the request's id."""

import logging
import sys

import stamina
import structlog
from stamina.instrumentation import RetryDetails

SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure(service: str, level: str = "INFO") -> None:
    """Send structlog's and the standard library's records through one JSON formatter; a terminal gets colours."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stdout.isatty() else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpx2"):
        logging.getLogger(chatty).setLevel("WARNING")
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    stamina.instrumentation.set_on_retry_hooks([_tried_again])
    structlog.contextvars.bind_contextvars(service=service)


def _tried_again(details: RetryDetails) -> None:
    """What is tried again and why, without its arguments: they may hold what belongs into no log."""
    structlog.get_logger(__name__).info("tried_again", work=details.name, error=str(details.caused_by)[:200])

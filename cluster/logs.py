"""How every process of ours logs: a fixed sentence and fields, to standard error, without credentials."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from schema.sources import redact


def configure_logging(level: int = logging.INFO) -> None:
    """Set up structlog; standard output stays free for results."""
    # pika reports every refused connection with a traceback of its own; whoever connects reports it once.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_credentials,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _without_credentials(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    del logger, method
    return {key: redact(value) if isinstance(value, str) else value for key, value in event.items()}

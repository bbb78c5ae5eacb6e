"""Structured logs: readable on a terminal, one JSON object a line elsewhere, secrets redacted before either."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import orjson
import structlog

Redact = Callable[[str], str]


class Redaction:
    """Hides secrets in every line. The secrets may change with a reload; the newest redactor counts."""

    def __init__(self) -> None:
        self.redact: Redact = str

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: self.redact(value) if isinstance(value, str) else value for key, value in event.items()}


def set_up(level: str = "info") -> Redaction:
    """Configure structlog and the standard library's logging, and return what hides secrets in both."""
    redaction = Redaction()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending: list[Any]
    if sys.stderr.isatty():
        ending = [structlog.dev.set_exc_info, structlog.processors.format_exc_info, redaction]
        ending.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        ending = [structlog.processors.format_exc_info, redaction]
        ending.append(
            structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value, default=str).decode())
        )
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_Redacting(redaction))
    return redaction


class _Redacting(logging.Filter):
    """Hides secrets in what libraries log."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redaction.redact(record.getMessage()), ()
        return True

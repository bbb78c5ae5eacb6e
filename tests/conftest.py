"""What every test has: silence where logs would be."""

from __future__ import annotations

from typing import Any, NoReturn

import structlog


def _drop(*_: Any) -> NoReturn:
    raise structlog.DropEvent


structlog.configure(processors=[_drop], cache_logger_on_first_use=False)

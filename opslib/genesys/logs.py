"""Log lines as JSON on stderr, without secrets; silent unless OPSLIB_LOG_LEVEL asks for them."""

import logging
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from opslib.redact import redact_json
from opslib.settings import Settings
from opslib.visible import visible_json

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def log(level: str, event: str, **about: Any) -> None:
    """Write one line, if its level ("debug", "info", "warning") is asked for."""
    wanted = _wanted()
    if wanted and logging.getLevelNamesMapping()[level.upper()] >= logging.getLevelNamesMapping()[wanted.upper()]:
        getattr(_logger(), level)(event, **about)


@cache
def _wanted() -> str | None:
    return Settings.load().log_level


@cache
def _logger() -> "FilteringBoundLogger":
    import structlog  # here: most runs log nothing

    return cast(
        "FilteringBoundLogger",
        structlog.wrap_logger(
            structlog.WriteLogger(sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                lambda _, __, line: redact_json(line),
                structlog.processors.JSONRenderer(serializer=_as_json),
            ],
        ),
    )


def _as_json(line: dict[str, Any], **_: Any) -> str:
    return visible_json(line, ascii_only=True, default=str)

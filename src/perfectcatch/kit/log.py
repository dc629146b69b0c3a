"""One log for the whole process: readable lines or JSON, on stderr, without secrets.

Modules take ``structlog.get_logger()`` and log an event with values. Log lines of libraries, and Python's
warnings, pass through the same formatter. stdout stays free for results.
"""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TextIO

from perfectcatch.kit import redact
from perfectcatch.kit.lean import without

with without("rich"):  # its pretty tracebacks, which would print values unmasked, are 0.1 s of imports
    import structlog
    from structlog.typing import EventDict, Processor, WrappedLogger

Style = Literal["console", "json"]
Level = Literal["debug", "info", "warning", "error"]

context = structlog.contextvars.bound_contextvars
"""``with context(run_id=..., entity=...):`` puts these values on each line logged inside, tasks included."""

_OURS = "perfectcatch"
_LINES_OF_LIBRARIES: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that configuring again replaces it and leaves other people's handlers alone."""


def configure(
    *,
    level: Level = "info",
    style: Style = "console",
    stream: TextIO | None = None,
    secrets: Iterable[str] = (),
) -> None:
    """Send every log line of the process to ``stream`` (stderr unless given).

    ``level`` is ours; libraries are heard from warnings on, and in full at ``debug``. ``secrets`` are masked
    wherever they appear, traceback included. May be called again: the last call holds.
    """
    target = stream or sys.stderr
    handler = _Handler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_LINES_OF_LIBRARIES,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redaction(Redactor(secrets)),
                _renderer(style, target),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, _Handler)] + [handler]
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(number if level == "debug" else max(number, logging.WARNING))
    logging.getLogger(_OURS).setLevel(number)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_LINES_OF_LIBRARIES,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _redaction(redactor: "Redactor") -> Processor:
    def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: redactor.under(key, value) for key, value in event.items()}

    return hide_secrets


def _renderer(style: Style, stream: TextIO) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    # The pretty traceback of the console renderer would print local variables unmasked.
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=40
    )


# Secrets ---------------------------------------------------------------------------------------

# A password may itself hold "@" or ":", a host may not.
_PASSWORD_IN_URL = re.compile(r"(?P<keep>[a-z][a-z0-9+.-]*://[^\s/?#:@]*:)[^\s/?#]*(?=@)", re.IGNORECASE)
# A feed's token is a place in a list, no key to anything, and whoever looks into a sync needs it.
_PLACE_IN_FEED = re.compile(r"(continuation|page|feed|resume)_token|token_type", re.IGNORECASE)
_SHORTEST_KNOWN = 4  # hiding every "a" because a secret is "a" would leave no readable line


class Redactor:
    """Hides the given secrets wherever they stand, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= _SHORTEST_KNOWN}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def text(self, text: str) -> str:
        """Return ``text`` without secrets."""
        if self._known:
            text = self._known.sub(redact.HIDDEN, text)
        return redact.text(_PASSWORD_IN_URL.sub(rf"\g<keep>{redact.HIDDEN}", text))

    def value(self, value: Any) -> Any:
        """Return ``value`` as plain data (text, numbers, lists, mappings) without secrets.

        Whatever is none of these is written as its ``repr`` first, so that an exception or a request that
        somebody logs as a value is covered too.
        """
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.under(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        return self.text(repr(value))

    def under(self, key: str, value: Any) -> Any:
        """Return ``value`` as it may be shown under ``key``: not at all when the key names a secret."""
        if value is not None and redact.is_secret(key) and not _PLACE_IN_FEED.search(key):
            return redact.HIDDEN
        return self.value(value)


def scrub(text: str) -> str:
    """Return ``text`` without passwords in addresses, access tokens and named secrets."""
    return Redactor().text(text)

"""How we log: one JSON object per line, and nothing in it that a log may not hold."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from idp import metrics

_LONGEST = 500
_lowest = logging.INFO
_FORBIDDEN = re.compile(
    r"nir|passw|secret|token|assertion|authorization|cookie|e_?mail|mobile|phone|address$|verifier|^code$|^otp|^csrf",
    re.I,
)
_SHAPES = (
    # A NIR of 13 or 15 characters, with or without spaces.
    (
        re.compile(
            r"(?<![\w-])[1-8](?:[\s.\u00a0-]?\d){4}(?:[\s.\u00a0-]?[\dABab]){2}(?:[\s.\u00a0-]?\d){6,8}(?![\w-])"
        ),
        "[nir]",
    ),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"), "[e-mail]"),
    (re.compile(r"(?<![\w-])(?:\+33|0033|0)[1-9](?:[\s.-]?\d\d){4}(?![\w-])"), "[phone]"),
    (re.compile(r"eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)*"), "[jwt]"),
)


class Enduring:
    """A stream of lines that never fails: on a full disk a line is lost and counted, and the request goes on (RC-22).

    What must leave a trace is in the audit trail, in the database: where that cannot be written, nobody gets in.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        """Write a line at once, or count it: the stream keeps a few of them, and tries again with the next."""
        try:
            self._stream.write(line)
            self._stream.flush()
        except OSError:
            metrics.LOG_LINES_LOST.inc()

    def flush(self) -> None:
        """Do nothing: nothing waits."""


def configure_logs(level: str) -> None:
    """Send every record, ours and the libraries', to standard error as JSON."""
    global _lowest
    _lowest = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _format_exception,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=Enduring(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    # Authlib prints whole tokens at DEBUG, httpx whole URLs at INFO.
    for noisy in ("authlib", "httpx", "urllib3", "smpplib"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def tells(level: int) -> bool:
    """Tell whether lines of a level are written, for those that are not worth putting together otherwise."""
    return level >= _lowest


def get_logger() -> Any:
    """Return the logger; events are words with hyphens, details are keys."""
    return structlog.get_logger()


def redact(_logger: object, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Blot out forbidden keys, and anything shaped like a NIR, an address, a number or a token."""
    return {key: "[redacted]" if _FORBIDDEN.search(key) else clean(value) for key, value in event.items()}


def clean(value: Any) -> Any:
    """Blot out whatever in ``value`` is shaped like a NIR, an address, a number or a token."""
    if isinstance(value, str):
        for shape, word in _SHAPES:
            value = shape.sub(word, value)
        return value[:_LONGEST]
    if isinstance(value, Mapping):
        return redact(None, "", dict(value))
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def _format_exception(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep the place of an error, not its message: messages of libraries quote what they were given."""
    fault = event.pop("exc_info", None)
    if isinstance(fault, BaseException):
        frames = []
        trace = fault.__traceback__
        while trace is not None:
            frames.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
            trace = trace.tb_next
        event["error_type"] = type(fault).__name__
        event["error_at"] = " ".join(frames[-8:])
    return event

"""Logs: one line of JSON per fact, on stderr, without secrets.

Law: whatever is logged, by us or by a library, leaves as exactly one line that a JSON parser
takes (ASCII; every control character escaped), redacted (redact.py), and with the id of the
request that caused it. An exception is told by its type and by file and line of its frames; its
words and the values of its variables are never written, because they may hold what a client sent.
A line that cannot be made is replaced by one that says so; logging raises nothing.

On a terminal lines are made for reading instead, with the same care.
Modules log through `logging.getLogger("tillgate.<subject>")`; structlog's processors do the rest.
"""

import json
import logging
import sys
import warnings
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog

from gateway.telemetry import redact

Form = Literal["json", "text"]

FRAMES_MAX = 24
CAUSES_MAX = 4
_PROJECT = Path(__file__).resolve().parents[2]
# Attributes of every LogRecord; anything else was given as `extra`.
_RECORD_NAMES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LOUD_LIBRARIES = ("aiohttp.access", "asyncio", "asyncpg", "redis")

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def configure(
    *, form: Form | None = None, level: str = "info", stream: TextIO | None = None
) -> None:
    """Send every log line of this process to `stream` (stderr). `form` None: by the stream.

    Warnings of Python and exceptions that nobody caught become log lines, too.
    """
    stream = sys.stderr if stream is None else stream
    if form is None:
        form = "text" if stream.isatty() else "json"
    handler = LineHandler(stream)
    handler.setFormatter(LineFormatter(form))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("tillgate").setLevel(level.upper())
    for name in _LOUD_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    warnings.formatwarning = _warning_line
    structlog.configure(
        processors=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _as_record,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be made is replaced by a line that names its logger."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say that a line was lost; logging's own way would print its arguments."""
        error = sys.exc_info()[1]
        try:
            self.stream.write(
                json.dumps(
                    {
                        "level": "error",
                        "logger": "tillgate.logs",
                        "event": "a log line could not be written",
                        "of": redact.text(str(record.name)),
                        "error": type(error).__name__,
                    }
                )
                + self.terminator
            )
        except Exception:
            pass  # stderr itself is gone: there is nobody left to tell


class LineFormatter(logging.Formatter):
    """One line per record, in JSON or for reading."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, without its end."""
        members = members_of(record)
        return _readable(members) if self._form == "text" else to_line(members)


def members_of(record: logging.LogRecord) -> MutableMapping[str, Any]:
    """What a line says, redacted: time, level, logger, event, request id, extras, exception."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    members: dict[str, Any] = {
        "at": f"{moment[:-6]}Z",
        "level": record.levelname.lower(),
        "logger": redact.text(record.name),
        "event": redact.text(_event(record)),
    }
    extras = {
        name: value
        for name, value in vars(record).items()
        if name not in _RECORD_NAMES and not name.startswith("_")
    }
    fields = extras.pop("fields", None)
    extras = {"request_id": request_id.get(), **extras, **(fields if type(fields) is dict else {})}
    for key, value in extras.items():
        if value is not None:
            name = redact.text(key if isinstance(key, str) else type(key).__name__)
            members.setdefault(name, redact.value(name, value))
    if record.exc_info and record.exc_info[1] is not None:
        members["exception"] = described(record.exc_info[1])
    return members


def _event(record: logging.LogRecord) -> str:
    """The words of a record. An exception among its arguments is told by its type."""
    args = record.args
    if isinstance(args, tuple):
        args = tuple(type(a).__name__ if isinstance(a, BaseException) else a for a in args)
    message = (
        str(record.msg)
        if not isinstance(record.msg, BaseException)
        else (type(record.msg).__name__)
    )
    event = message % args if args else message
    # asyncio's reports go on for lines with the reprs of tasks and transports.
    return event.partition("\n")[0] if record.name == "asyncio" else event


def described(error: BaseException) -> dict[str, Any]:
    """An exception without its words: type, SQLSTATE or errno, frames as file:line, causes."""
    told = _one(error)
    causes: list[dict[str, Any]] = []
    seen = {id(error)}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    while cause is not None and id(cause) not in seen and len(causes) < CAUSES_MAX:
        seen.add(id(cause))
        causes.append(_one(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    if causes:
        told["causes"] = causes
    if isinstance(error, BaseExceptionGroup):
        told["parts"] = [_one(each) for each in error.exceptions[:CAUSES_MAX]]
    return told


def _one(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    told: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}"}
    for name in ("sqlstate", "errno", "code"):
        known = getattr(error, name, None)
        if isinstance(known, int) or (isinstance(known, str) and len(known) <= 64):
            told[name] = redact.text(str(known))
    told["frames"] = frames_of(error.__traceback__)
    return told


def frames_of(traceback: TracebackType | None) -> list[str]:
    """The innermost frames as `file:line function`, outermost first."""
    frames = [
        f"{_short(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}"
        for frame, line in walk_tb(traceback)
    ]
    return frames[-FRAMES_MAX:]


def _short(filename: str) -> str:
    path = Path(filename)
    parts = path.parts
    if "site-packages" in parts:
        return "/".join(parts[parts.index("site-packages") + 1 :])
    if path.is_relative_to(_PROJECT):
        return str(path.relative_to(_PROJECT))
    return "/".join(parts[-2:])


def to_line(members: MutableMapping[str, Any]) -> str:
    """Members as one line of ASCII JSON. Values are of JSON's kinds, as redact.py leaves them."""
    return json.dumps(members, allow_nan=False, separators=(",", ":")).replace("\x7f", "\\u007f")


def _readable(members: MutableMapping[str, Any]) -> str:
    at = str(members.pop("at"))[11:23]
    level = str(members.pop("level")).upper()
    logger = str(members.pop("logger")).removeprefix("tillgate.")
    event = _printable(str(members.pop("event")))
    rest = " ".join(f"{_printable(name)}={_value(value)}" for name, value in members.items())
    return f"{at} {level:<8} {_printable(logger):<12} {event}{'  ' if rest else ''}{rest}"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _value(value: Any) -> str:
    return _printable(value) if isinstance(value, str) else to_line(value)


def _as_record(
    _: Any, __: str, event: MutableMapping[str, Any]
) -> tuple[tuple[str, str], dict[str, Any]]:
    """A line of structlog's as logging takes it; its names cannot clash with logging's own."""
    taken = {name: event.pop(name) for name in ("exc_info", "stack_info") if name in event}
    message = str(event.pop("event", ""))
    event.pop("logger", None)
    return ("%s", message), {"extra": {"fields": dict(event)}, **taken}


def _warning_line(message: Warning | str, category: type[Warning], *where: Any, **_: Any) -> str:
    filename, lineno = where[0], where[1]
    return f"{category.__name__} at {_short(str(filename))}:{lineno}: {message}"


def _uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("tillgate.process").critical(
        "an exception ends this process", exc_info=(kind, error, traceback)
    )


def _unraisable(found: Any) -> None:
    error = found.exc_value
    logging.getLogger("tillgate.process").error(
        "an exception could not be raised",
        exc_info=None if error is None else (found.exc_type, error, found.exc_traceback),
    )

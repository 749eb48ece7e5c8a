"""Logs: one line each, always JSON, never a secret, never an exception of their own."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry import logs
from gateway.telemetry.logs import LineFormatter, LineHandler, configure, members_of, to_line

ROOT = Path(__file__).parents[2]
SECRET = "hunter22"
HOSTILE = (
    "\r\nlevel=error forged",
    '","level":"critical","x":"',
    "\x1b[31mred\x1b[0m",
    "\x00\x07\x7f\x85\u2028\u2029",
    "\u202eright to left",
    "\ud800 alone",
    "{}%s%(x)s%",
    "日志",
)


class Captured:
    """The lines that this process wrote."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def one(self) -> dict[str, Any]:
        [line] = self.lines
        return line


@pytest.fixture
def written() -> Iterator[Captured]:
    """Logging as a process of ours has it, until the test ends."""
    root, tillgate = logging.getLogger(), logging.getLogger("tillgate")
    before = (list(root.handlers), root.level, tillgate.level)
    hooks = (sys.excepthook, sys.unraisablehook, warnings.formatwarning)
    stream = io.StringIO()
    configure(stream=stream, form="json")
    yield Captured(stream)
    root.handlers[:], root.level, tillgate.level = before
    sys.excepthook, sys.unraisablehook, warnings.formatwarning = hooks
    logging.captureWarnings(False)
    structlog.reset_defaults()


log = logging.getLogger("tillgate.test")


def test_a_line(written: Captured) -> None:
    log.warning("callback refused: %s", "bad_signature", extra={"account": "cac_1", "tries": 3})
    line = written.one
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "tillgate.test",
        "event": "callback refused: bad_signature",
        "account": "cac_1",
        "tries": 3,
    }


def test_below_the_level_nothing(written: Captured) -> None:
    log.debug("x")
    logging.getLogger("asyncpg").info("x")
    assert written.text == ""
    log.info("y")
    assert written.one["event"] == "y"


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_stay_in_one_line(written: Captured, hostile: str) -> None:
    log.error("about %s", hostile, extra={"subject": hostile, "more": {hostile: [hostile]}})
    assert written.text.count("\n") == 1
    assert written.text.isascii()
    assert written.text[:-1].isprintable()
    assert written.one["level"] == "error"
    assert written.one["logger"] == "tillgate.test"


def record_of(message: Any, args: Any = (), **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("tillgate.x", logging.INFO, "f", 1, message, args, None)
    for name, value in extra.items():
        setattr(record, name, value)
    return record


@given(
    st.text(),
    st.dictionaries(st.text(), st.text() | st.integers() | st.floats() | st.binary()),
    st.sampled_from(["json", "text"]),
)
def test_any_line_is_one_line(message: str, fields: dict[str, Any], form: Any) -> None:
    line = LineFormatter(form).format(record_of(message, fields=fields))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    if form == "json":
        assert json.loads(line)["level"] == "info"


def test_secrets_die_in_every_place(written: Captured) -> None:
    log.error(
        "sign=%s and %s",
        SECRET,
        {"password": SECRET},
        extra={"private_key": SECRET, "headers": {"Authorization": SECRET}},
    )
    assert SECRET not in written.text
    assert written.one["private_key"] == "[redacted]"


def test_the_request_is_named(written: Captured) -> None:
    token = logs.request_id.set("req_1")
    try:
        log.info("x")
    finally:
        logs.request_id.reset(token)
    assert written.one["request_id"] == "req_1"


def failing(pin: str) -> None:
    try:
        raise KeyError(pin)
    except KeyError as error:
        raise asyncpg.UniqueViolationError(f"Key ({pin}) already exists.") from error


def test_an_exception_is_told_without_words(written: Captured) -> None:
    try:
        failing(SECRET)
    except asyncpg.PostgresError as error:
        log.exception("a change could not be written: %s", error)
    assert SECRET not in written.text
    assert "Traceback" not in written.text
    line = written.one
    assert line["event"] == "a change could not be written: UniqueViolationError"
    told = line["exception"]
    assert told["type"] == "asyncpg.exceptions.UniqueViolationError"
    assert told["sqlstate"] == "23505"
    assert told["frames"][-1].startswith("tests/telemetry/test_logs.py:")
    assert told["frames"][-1].endswith(" failing")
    assert [cause["type"] for cause in told["causes"]] == ["builtins.KeyError"]


def test_a_group_of_exceptions(written: Captured) -> None:
    try:
        raise ExceptionGroup(SECRET, [ValueError(SECRET), OSError(28, SECRET)])
    except ExceptionGroup:
        log.exception("x")
    assert SECRET not in written.text
    parts = written.one["exception"]["parts"]
    assert [part["type"] for part in parts] == ["builtins.ValueError", "builtins.OSError"]
    assert parts[1]["errno"] == "28"


def test_an_exception_that_is_its_own_cause(written: Captured) -> None:
    error = ValueError()
    other = KeyError()
    error.__cause__, other.__cause__ = other, error
    log.error("x", exc_info=error)
    assert written.one["exception"]["causes"][0]["type"] == "builtins.KeyError"


def test_a_line_that_cannot_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    handler = LineHandler(io.StringIO())
    handler.setFormatter(LineFormatter("json"))
    handler.handle(record_of("%d things", (SECRET,)))
    handler.handle(record_of("%s", (type("Broken", (), {"__str__": lambda self: 1 / 0})(),)))
    written = Captured(handler.stream)
    assert [line["event"] for line in written.lines] == [
        "a log line could not be written",
        "a log line could not be written",
    ]
    assert [line["error"] for line in written.lines] == ["TypeError", "ZeroDivisionError"]
    assert SECRET not in written.text
    handler.stream.close()
    handler.handle(record_of("x"))
    assert capsys.readouterr().err == ""


def test_structlog_takes_the_same_way(written: Captured) -> None:
    structlog.get_logger("tillgate.other").warning(
        "a thing", name="clash", msg="clash", pin=SECRET, amount=5
    )
    line = written.one
    assert (line["event"], line["logger"], line["amount"]) == ("a thing", "tillgate.other", 5)
    assert (line["name"], line["msg"], line["pin"]) == ("clash", "clash", "[redacted]")


def test_warnings_are_lines(written: Captured) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("an old way", DeprecationWarning, stacklevel=1)
    assert written.one["event"].startswith("DeprecationWarning at ")
    assert written.one["logger"] == "py.warnings"


async def test_reports_of_asyncio_are_one_line(written: Captured) -> None:
    async def broken() -> None:
        raise ValueError(SECRET)

    task = asyncio.create_task(broken())
    await asyncio.wait({task})
    del task
    assert SECRET not in written.text
    assert written.one["event"] == "Task exception was never retrieved"
    assert written.one["exception"]["type"] == "builtins.ValueError"


def test_for_reading(written: Captured) -> None:
    record = record_of("paid\x1b[31m %s", ("x",), payment="pay_1", details={"a": 1})
    line = LineFormatter("text").format(record)
    assert line[13:] == 'INFO     x            paid\\x1b[31m x  payment=pay_1 details={"a":1}'
    assert members_of(record)["payment"] == "pay_1"
    assert "\x7f" not in to_line({"a": "\x7f"})


def test_a_process_that_breaks_says_so_in_one_line() -> None:
    program = (
        "from gateway.telemetry.logs import configure\n"
        "configure()\n"
        f"def f(password):\n    raise RuntimeError(password)\nf('{SECRET}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    line = json.loads(done.stderr)
    assert (line["level"], line["exception"]["type"]) == ("critical", "builtins.RuntimeError")
    assert SECRET.encode() not in done.stderr

"""Observers see everything, change nothing, and fail nobody."""

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest

from gateway.channels.codec import HandedOut, Unknown
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observe import (
    ObservedTeller,
    http_errors,
    loop_errors,
    with_request_id,
)

ACCOUNT = SimpleNamespace(channel="alipay")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(None, role="gateway")


def shown(metrics: Metrics) -> str:
    metrics.flush()
    return generate_latest(metrics.registry).decode()


class FakeTeller:
    """What a teller answers, in a row; an exception is raised."""

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = list(outcomes)
        self.heard: list[tuple[str, Any]] = []

    def codec(self, channel: str) -> str:
        return f"codec of {channel}"

    def __getattr__(self, name: str) -> Any:
        async def ask(account: Any, order: Any, **said: Any) -> Any:
            self.heard.append((name, said["said"] if said else order))
            outcome = self._outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return ask


async def test_calls_to_channels(metrics: Metrics) -> None:
    outcomes = (HandedOut({"type": "qr_code"}), Unknown("timeout"), KeyError("x"))
    inner = FakeTeller(*outcomes)
    teller = ObservedTeller(inner, metrics)
    assert await teller.pay(ACCOUNT, 1) is outcomes[0]
    assert await teller.refund_query(ACCOUNT, 2) is outcomes[1]
    with pytest.raises(KeyError):
        await teller.close(ACCOUNT, 3)
    assert teller.codec("alipay") == "codec of alipay"
    assert inner.heard == [("pay", 1), ("refund_query", 2), ("close", 3)]
    text = shown(metrics)
    for operation, outcome in (
        ("pay", "handed_out"),
        ("refund_query", "unknown"),
        ("close", "error"),
    ):
        labels = f'channel="alipay",operation="{operation}",outcome="{outcome}"'
        assert f"tillgate_channel_calls_total{{{labels}}} 1.0" in text


async def test_what_ends_or_answers_an_attempt_is_counted_too(metrics: Metrics) -> None:
    inner = FakeTeller(*(Unknown("timeout") for _ in range(3)))
    teller = ObservedTeller(inner, metrics)
    await teller.cancel(ACCOUNT, 1)
    await teller.void(ACCOUNT, 2)
    await teller.answer(ACCOUNT, 3, {"sms_code": "1234"})
    assert inner.heard == [("cancel", 1), ("void", 2), ("answer", {"sms_code": "1234"})]
    text = shown(metrics)
    for operation in ("cancel", "void", "answer"):
        assert f'channel="alipay",operation="{operation}",outcome="unknown"' in text
    assert "1234" not in text


async def test_log_lines_of_a_request_and_its_tasks_carry_its_id() -> None:
    seen: list[tuple[str, str | None]] = []

    async def later(name: str) -> None:
        seen.append((f"task of {name}", logs.request_id.get()))

    async def dispatch(request: Any) -> str:
        await asyncio.sleep(0)
        seen.append((request.request_id, logs.request_id.get()))
        await asyncio.create_task(later(request.request_id))
        return "reply"

    named = with_request_id(dispatch)
    replies = await asyncio.gather(
        *(named_in_task(named, SimpleNamespace(request_id=f"req_{n}")) for n in range(3))
    )
    assert replies == ["reply"] * 3
    assert all(name.endswith(str(known)) for name, known in seen)
    assert len(seen) == 6
    assert logs.request_id.get() is None


async def named_in_task(dispatch: Any, request: Any) -> Any:
    return await dispatch(request)


def test_errors_of_the_server(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    request = SimpleNamespace(
        method="POST", route=SimpleNamespace(name="create_payment"), request_id="req_9"
    )
    with caplog.at_level(logging.ERROR, "tillgate.http"):
        http_errors(metrics)(request, ValueError("secret"))
        request.route = None
        http_errors(metrics)(request, ValueError("secret"))
    lines = [logs.members_of(record) for record in caplog.records]
    assert [line.get("route") for line in lines] == ["create_payment", None]
    assert lines[0]["request_id"] == "req_9"
    assert "secret" not in json.dumps(lines)
    assert 'tillgate_errors_total{kind="ValueError"} 2.0' in shown(metrics)


def test_errors_of_the_loop(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.set_exception_handler(loop_errors(metrics))
        loop.call_soon(lambda: {}["absent"])
        loop.call_soon(loop.stop)
        with caplog.at_level(logging.ERROR, "tillgate.loop"):
            loop.run_forever()
            loop.call_exception_handler({"message": "two\nlines"})
    finally:
        loop.close()
    lines = [logs.members_of(record) for record in caplog.records]
    assert lines[0]["exception"]["type"] == "builtins.KeyError"
    assert lines[1]["event"] == "the event loop met an error: two"
    text = shown(metrics)
    assert 'tillgate_errors_total{kind="KeyError"} 1.0' in text
    assert 'tillgate_errors_total{kind="unknown"} 1.0' in text

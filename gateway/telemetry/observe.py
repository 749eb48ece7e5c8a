"""Observers: what server, committer, channels and event loop are given to report to.

Law: readers. An observer never changes what it sees, never waits, and its own failure is nobody
else's. Who is observed does not know by whom: each takes a plain function.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any

from gateway.telemetry.logs import request_id
from gateway.telemetry.metrics import Metrics

AGES_EVERY_S = 5.0

log = logging.getLogger("tillgate.http")
loop_log = logging.getLogger("tillgate.loop")
alarm_log = logging.getLogger("tillgate.alarm")


def with_request_id(dispatch: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """A dispatcher whose log lines (and those of tasks it starts) carry the request's id."""

    def named(request: Any) -> Awaitable[Any]:
        request_id.set(request.request_id)
        return dispatch(request)

    return named


def http_errors(metrics: Metrics) -> Callable[[Any, BaseException], None]:
    """The server's `on_error`: one log line and one count per exception that nobody meant."""

    def on_error(request: Any, error: BaseException) -> None:
        metrics.error(type(error).__name__)
        route = request.route
        log.error(
            "a request was answered with internal_error",
            exc_info=error,
            extra={
                "method": request.method,
                "route": None if route is None else route.name,
                "request_id": request.request_id,
            },
        )

    return on_error


def loop_errors(metrics: Metrics) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """The event loop's exception handler: what no task and no callback caught."""

    def on_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        metrics.error("unknown" if error is None else type(error).__name__)
        what = str(context.get("message", "")).partition("\n")[0]
        loop_log.error("the event loop met an error: %s", what, exc_info=error)

    return on_error


class ObservedTeller:
    """A teller whose calls to channels are counted: channel, operation, outcome, seconds.

    Takes the place of `center.tell.Teller`; what asks no channel is handed through.
    """

    def __init__(self, teller: Any, metrics: Metrics) -> None:
        self._teller = teller
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:
        return getattr(self._teller, name)

    async def pay(self, account: Any, order: Any, **said: bool) -> Any:
        """Ask for a payment."""
        return await self._observed("pay", partial(self._teller.pay, **said), account, order)

    async def query(self, account: Any, order: Any) -> Any:
        """Ask what became of an order."""
        return await self._observed("query", self._teller.query, account, order)

    async def close(self, account: Any, order: Any) -> Any:
        """Ask that an order take no money any more."""
        return await self._observed("close", self._teller.close, account, order)

    async def cancel(self, account: Any, order: Any) -> Any:
        """Ask that an order be taken back."""
        return await self._observed("cancel", self._teller.cancel, account, order)

    async def void(self, account: Any, order: Any) -> Any:
        """Ask that a hold be let go."""
        return await self._observed("void", self._teller.void, account, order)

    async def answer(self, account: Any, order: Any, said: Any) -> Any:
        """Carry a payer's answer."""
        ask = partial(self._teller.answer, said=said)
        return await self._observed("answer", ask, account, order)

    async def refund(self, account: Any, order: Any) -> Any:
        """Ask for a refund."""
        return await self._observed("refund", self._teller.refund, account, order)

    async def refund_query(self, account: Any, order: Any) -> Any:
        """Ask what became of a refund."""
        return await self._observed("refund_query", self._teller.refund_query, account, order)

    async def _observed(
        self, operation: str, ask: Callable[[Any, Any], Awaitable[Any]], account: Any, order: Any
    ) -> Any:
        begun = perf_counter()
        outcome_word = "error"
        try:
            outcome = await ask(account, order)
            outcome_word = type(outcome).__struct_config__.tag
            return outcome
        finally:
            seconds = perf_counter() - begun
            self._metrics.channel_call(account.channel, operation, outcome_word, seconds)


class QueueAges:
    """Reports the age of the oldest due row of every queue of one shard, round by round.

    `leases` tells what this process works on, `oldest_s` the age of a queue's oldest due row in
    it. Who holds nothing reports 0, so that an age is told by its lease holder only.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        shard: int,
        queues: Sequence[str],
        leases: Callable[[], Sequence[Any]],
        oldest_s: Callable[[str, Sequence[Any], datetime], Awaitable[float]],
        now: Callable[[], datetime],
    ) -> None:
        self._metrics = metrics
        self._shard = shard
        self._queues = tuple(queues)
        self._leases = leases
        self._oldest_s = oldest_s
        self._now = now

    async def round(self) -> None:
        """Ask and report once; to be run every `AGES_EVERY_S` seconds."""
        for queue in self._queues:
            leases = self._leases()
            age_s = await self._oldest_s(queue, leases, self._now()) if leases else 0.0
            self._metrics.set_oldest_due(queue, self._shard, age_s)


class Watchman:
    """The port `center.ports.Watch`: alarms and defects become log lines and counts."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def alarm(self, what: str, facts: Mapping[str, str], *, stranger: bool = False) -> None:
        """Something that a person should see; what strangers can cause is a warning only."""
        self._metrics.error(what)
        level = logging.WARNING if stranger else logging.ERROR
        alarm_log.log(level, "alarm: %s", what, extra=dict(facts))

    def broken(self, what: str, error: BaseException) -> None:
        """A task ended by a defect of ours."""
        self._metrics.error(type(error).__name__)
        alarm_log.error("%s broke", what, exc_info=error)

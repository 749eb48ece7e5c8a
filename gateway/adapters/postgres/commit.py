"""Group commit: the Changes of concurrent requests of one shard, in one transaction.

Law: what `submit` returns is durable. One set-based transaction carries whatever arrived while
the last one was committing; when idle nothing waits (`gathering.py` says who does).

1. Equal creates are joined: the first goes into the batch, the others are judged against its row
   after the same commit. Merchants are taken in the order of their ids, so batches cannot deadlock.
2. What arrived is committed by the way it can go, a transaction each. New payments are one
   statement (`fresh.py`), paid ones another (`paid.py`), Changes that were foreseen a third
   (`writing.py`). If anything is not as they take it to be (a repeat, a moved row, a closed head,
   our own earlier run) nothing is kept. Who submitted paid ones is told so and submits Changes; the
   others go the long way with the rest: hold the heads, load the needed rows, decide each Change
   again against the rows as those before it left them, write each row once where its version is
   the loaded one. A Change that drops out has touched nothing.
3. An error of the batch bisects it; the poisoned Change falls out alone.
4. Nothing cancels a COMMIT. If its answer is lost, another connection asks for the transaction
   (`pg_xact_status`), or for the server's process that ran it, until it is over; then the batch is
   run again, which is always safe: a row that carries our own id is our own earlier commit. (The
   status itself is not believed: after a crash Postgres can give the number of a lost transaction
   to another one.)
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from gateway.adapters.postgres.batch import Batch, BatchRefused
from gateway.adapters.postgres.gathering import Crowd
from gateway.adapters.postgres.lane import (
    DISCONNECTED,
    TRANSIENT,
    CommitLost,
    Connect,
    Lane,
    unknown_outcome,
)
from gateway.adapters.postgres.quick_submitted import (
    FreshSubmitted,
    PaidSubmitted,
    QuickFresh,
    QuickPaid,
)
from gateway.adapters.postgres.submitted import Submitted, by_way, halves
from gateway.domain.change import Change, Writes
from gateway.domain.errors import TillgateError

BATCH_CHANGES_MAX = 256
QUEUE_CHANGES_MAX = 8_192
LANES = 2
SECOND_LANE_AFTER_S = 0.1  # a commit that takes longer has met more than much work
ANSWER_WAIT_S = 10.0
STALLED_AFTER_S = 2.0
LOCK_TIMEOUT_MS = 200
SLOW_LANES_MAX = 8
RECONNECTS_MAX = 4
RETRY_DELAY_S = 0.05

log = logging.getLogger("tillgate.commit")

Observe = Callable[[int, float, str], None]
Committed = Callable[[Sequence[Submitted]], None]


def shard_unavailable() -> TillgateError:
    """The answer when nothing was recorded because the shard could not be reached."""
    return TillgateError(
        "shard_unavailable", "The merchant's shard cannot be reached; nothing was recorded."
    )


class Committer:
    """The one writer of a shard in this process, made and used in one event loop.

    `connect` opens a connection as the application role with the limits of `connect.py`;
    `committed` is told the Changes of each commit; `observe` gets batch size, seconds and kind;
    `crowd` is shared by the shards of a process.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        committed: Committed | None = None,
        observe: Observe | None = None,
        crowd: Crowd | None = None,
        lanes: int = LANES,
    ) -> None:
        self._loop = asyncio.get_running_loop()  # kept: asking for it costs as much as a queue
        self._connect = connect
        self._committed = committed
        self._observe = observe
        self._crowd = Crowd() if crowd is None else crowd
        self._gathers = False
        self._queue: deque[Submitted] = deque()
        self._joined: dict[tuple[str, str, str], Submitted] = {}
        self._lanes = [Lane(connect) for _ in range(lanes)]
        self._free = deque(self._lanes)
        self._tasks: set[asyncio.Task[None]] = set()
        self._started_at = 0.0
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: list[list[Submitted]] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._slow: dict[str, deque[Submitted]] = {}
        self._closed = False

    # --- the door --------------------------------------------------------------------------------

    def submit(self, change: Change) -> asyncio.Future[Writes]:
        """Queue a Change; the future ends once it is durable, refused, or of unknown outcome.

        Raises `overloaded` when the queue is full and `shard_unavailable` while a COMMIT hangs.
        """
        now = self._admit()
        future: asyncio.Future[Writes] = self._loop.create_future()
        self._enqueue(Submitted(change, future, now))
        return future

    def submit_fresh(self, quick: QuickFresh) -> None:
        """Queue a fresh payment whose submitter is called once it has come to its end.

        Raises what `submit` raises.
        """
        self._enqueue(FreshSubmitted(quick, self._admit()))

    def submit_paid(self, quick: QuickPaid) -> None:
        """Queue a paid payment whose submitter is called once it has come to its end.

        Raises what `submit` raises.
        """
        self._enqueue(PaidSubmitted(quick, self._admit()))

    def _admit(self) -> float:
        """The time, if one more Change can be taken in."""
        now = self._loop.time()
        if self._closed or self.is_stalled(now):
            raise shard_unavailable()
        if len(self._queue) >= QUEUE_CHANGES_MAX:
            raise TillgateError("overloaded", "Too many requests are waiting; try again.")
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(ANSWER_WAIT_S / 10, self._sweep)
        return now

    def is_stalled(self, now: float) -> bool:
        """Whether a COMMIT has been under way for more than two seconds."""
        for lane in self._lanes:
            since = lane.commit_since
            if since is not None and now - since > STALLED_AFTER_S:
                return True
        return False

    @property
    def depth(self) -> int:
        """How many Changes wait for their batch."""
        return len(self._queue)

    async def close(self) -> None:
        """Finish what was submitted, then end the connections."""
        self._closed = True
        while self._tasks or self._queue:
            self._consider()
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for handle in (self._timer, self._sweeper):
            if handle is not None:
                handle.cancel()
        for lane in self._lanes:
            await lane.close()

    # --- gathering -------------------------------------------------------------------------------

    def _enqueue(self, submitted: Submitted) -> None:
        place = submitted.place
        if place is not None:
            first = self._joined.setdefault(place, submitted)
            if first is not submitted:
                first.follow(submitted)
                return
        aside = self._slow.get(submitted.merchant_id)
        if aside is not None:
            aside.append(submitted)
            return
        self._queue.append(submitted)
        if self._scheduled or not self._free:
            return
        if len(self._free) == len(self._lanes) or len(self._queue) >= BATCH_CHANGES_MAX:
            self._scheduled = True
            self._loop.call_soon(self._consider)
        elif self._timer is None:
            self._timer = self._loop.call_later(SECOND_LANE_AFTER_S, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._consider()

    def _consider(self) -> None:
        """Start a lane if there is work, and a second one only if the first takes its time."""
        self._scheduled = False
        if not self._queue or not self._free or self._gathers:
            return
        if wait_s := self._left_to(len(self._lanes) - len(self._free)):
            self._timer = self._timer or self._loop.call_later(wait_s, self._look_again)
            return
        self._started_at = self._loop.time()
        # The one that was used last is warm: its plans and the pages that it knows.
        task = self._loop.create_task(self._run_lane(self._free.pop()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _left_to(self, busy: int) -> float:
        """Seconds for which the queue is left to `busy` lanes; 0 if it has need of one more."""
        if not busy or len(self._queue) >= BATCH_CHANGES_MAX:
            return 0.0
        return max(0.0, self._started_at + SECOND_LANE_AFTER_S - self._loop.time())

    async def _run_lane(self, lane: Lane) -> None:
        """Commit batch by batch, until there is nothing or the other lane is quick enough alone."""
        try:
            while self._queue and not self._gathers:
                await self._gather()
                count = min(len(self._queue), BATCH_CHANGES_MAX)
                self._started_at = self._loop.time()
                part = [self._queue.popleft() for _ in range(count)]
                if self._queue:
                    self._consider()
                await self._commit_or_say_unknown(lane, part)
                if self._left_to(len(self._lanes) - len(self._free) - 1):
                    break  # two that write for the same merchants only wait for each other
        finally:
            self._free.append(lane)
            self._consider()

    async def _gather(self) -> None:
        """Let the queue fill if there is reason to; meanwhile no other lane takes of it."""
        self._gathers = True
        try:
            await self._crowd.gather(self, self._queue)
        finally:
            self._gathers = False

    async def _commit_or_say_unknown(
        self, lane: Lane, part: list[Submitted], *, patient: bool = False
    ) -> None:
        """Commit; a defect of ours must not leave anybody waiting without an answer."""
        self._under_way.append(part)
        self._crowd.enter(self)
        try:
            await self._commit(lane, part, patient=patient)
        except Exception:
            log.exception("a batch could not be brought to its end")
            lane.drop()
            self._refuse(part, unknown_outcome())
        finally:
            self._crowd.leave(self)
            self._under_way.remove(part)

    def _set_aside(self, part: list[Submitted]) -> None:
        """Give a merchant whose head is held by somebody else a lane of its own for a while."""
        merchant = part[0].merchant_id
        aside = self._slow.get(merchant)
        if aside is not None:
            aside.extend(part)
            return
        if len(self._slow) >= SLOW_LANES_MAX:
            self._refuse(part, shard_unavailable())
            return
        self._slow[merchant] = deque(part)
        task = self._loop.create_task(self._run_slow(merchant))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_slow(self, merchant: str) -> None:
        lane = Lane(self._connect)
        aside = self._slow[merchant]
        try:
            while aside:
                count = min(len(aside), BATCH_CHANGES_MAX)
                part = [aside.popleft() for _ in range(count)]
                await self._commit_or_say_unknown(lane, part, patient=True)
        finally:
            del self._slow[merchant]
            await lane.close()

    def _sweep(self) -> None:
        """End the wait of those who waited long enough; their COMMIT goes on."""
        loop = self._loop
        self._sweeper = None
        latest = loop.time() - ANSWER_WAIT_S
        for part in (*self._under_way, self._queue, *self._slow.values()):
            for submitted in part:
                for each in (submitted, *(submitted.followers or ())):
                    if each.at <= latest:
                        each.fail(unknown_outcome())
        if self._tasks or self._queue:
            self._sweeper = self._loop.call_later(ANSWER_WAIT_S / 10, self._sweep)

    # --- one batch -------------------------------------------------------------------------------

    async def _commit(self, lane: Lane, changes: list[Submitted], *, patient: bool = False) -> None:
        """Bring every Change of a batch to an end: durable, refused, or given up.

        `patient` waits for a held head; otherwise its merchant is set aside.
        """
        todo: list[tuple[list[Submitted], int]] = [(part, 0) for part in reversed(by_way(changes))]
        while todo:
            part, tries = todo.pop()
            started = time.perf_counter()
            batch = Batch(part)
            try:
                await lane.write(batch)
            except CommitLost as lost:
                lane.drop()
                if tries < RECONNECTS_MAX and await lane.is_over(lost):
                    todo.append((part, tries + 1))
                else:
                    self._refuse(part, unknown_outcome())
            except DISCONNECTED:
                lane.drop()
                if tries >= RECONNECTS_MAX:
                    self._refuse(part, shard_unavailable())
                else:
                    await asyncio.sleep(RETRY_DELAY_S * tries)
                    todo.append((part, tries + 1))
            except TRANSIENT:
                await lane.roll_back()
                if len({each.merchant_id for each in part}) > 1:
                    todo.extend((half, tries) for half in halves(part))
                elif not patient:
                    self._set_aside(part)
                elif self._loop.time() - part[0].at < ANSWER_WAIT_S:
                    todo.append((part, tries))
                else:
                    self._refuse(part, shard_unavailable())
            except BatchRefused as refused:
                self._refuse(part, refused.error)
            except Exception as error:
                await lane.roll_back()
                if len(part) > 1:
                    todo.extend((half, tries) for half in halves(part))
                else:
                    log.exception("a change could not be written")
                    self._refuse(part, error)
            else:
                # Told a moment later, so that Postgres has the next batch before the answers leave.
                self._loop.call_soon(self._finish, batch, started)

    # --- endings ---------------------------------------------------------------------------------

    def _finish(self, batch: Batch, started: float) -> None:
        """Tell everybody of a batch what became of his Change; one that fails hurts no other.

        Who keeps something of a merchant hears of the commit before its writers are answered.
        """
        if self._committed is not None:
            try:
                self._committed([each for each in batch.changes if each.error is None])
            except Exception:
                log.exception("who listens to commits could not be told")
        for submitted in batch.changes:
            self._unjoin(submitted)
            try:
                if submitted.error is not None:
                    submitted.fail(submitted.error)
                else:
                    submitted.succeed()
            except Exception:
                log.exception("whoever submitted a change could not be told")
        for submitted in batch.changes:
            followers, submitted.followers = submitted.followers, None
            for follower in followers or ():
                self._follow(submitted, follower)
        if self._observe is not None:
            self._observe(len(batch.changes), time.perf_counter() - started, batch.way)

    def _follow(self, first: Submitted, follower: Submitted) -> None:
        """Judge a joined create against the row that the first one made."""
        if first.error is not None or first.rows is None:
            self._enqueue(follower)
            return
        try:
            follower.writes = follower.change.decide(first.rows)
        except Exception as error:
            follower.fail(error)
        else:
            follower.succeed()

    def _refuse(self, part: Iterable[Submitted], error: BaseException) -> None:
        for submitted in part:
            self._unjoin(submitted)
            for each in (submitted, *(submitted.followers or ())):
                each.fail(error)
            submitted.followers = None

    def _unjoin(self, submitted: Submitted) -> None:
        place = submitted.place
        if place is not None and self._joined.get(place) is submitted:
            del self._joined[place]

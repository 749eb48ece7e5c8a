"""One change of the directory: rows, a new version and journal rows, in one transaction.

Law: every change holds the one row of `directory_state` from its first statement to its COMMIT, so
changes are serial, versions rise in commit order, and what was read inside stays true. The house's
head lies in the same database: its journal rows are the directory's chain. A change that changes
nothing (a repeat) allots no version and writes no journal row, but has written the locked row, so
that its answer waits for replication like any other. Nothing cancels a COMMIT.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg

from gateway.adapters.postgres.commit import ANSWER_WAIT_S, shard_unavailable
from gateway.adapters.postgres.lane import SYNC_WAIT_CANCELED, unknown_outcome
from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.writing import GuardLost, Writing
from gateway.domain.change import Change, Rows, Writes
from gateway.domain.errors import TillgateError
from gateway.domain.events import Line
from gateway.domain.registration import Act

SQL = load(__file__.replace("directory_change", "directory"))

TRIES_MAX = 5
RETRY_DELAY_S = 0.05
POOL_WAIT_S = 2.0

_Result = TypeVar("_Result")
Work = Callable[[asyncpg.Connection, int], Awaitable[tuple[_Result, Sequence[Line]]]]
"""Reads and writes inside the transaction, under the version it is given; answers its result and
the journal lines. No lines: nothing was changed."""

_BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.QueryCanceledError)
GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    OSError,
    TimeoutError,
)
"""What asyncpg raises when the database went away under a statement."""
NOT_LET_IN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What it raises when no connection can be had, for whatever reason."""


class DirectoryChanges:
    """Carries out changes of the directory, one at a time, through a pool of its database.

    `tell` hears the version of each, once it is durable and before its caller is answered.
    """

    def __init__(self, pool: asyncpg.Pool, house_id: str, *, tell: Callable[[int], None]) -> None:
        self._pool = pool
        self._house_id = house_id
        self._tell = tell
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, act: Act, work: Work[_Result]) -> _Result:
        """Carry out a change; it goes on to its end even if the caller does not wait.

        Raises what `work` raises, `shard_unavailable` when nothing was written, and
        `outcome_unknown` when nobody knows.
        """
        task = asyncio.get_running_loop().create_task(self._run(act, work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=ANSWER_WAIT_S)
        if not done:
            raise unknown_outcome()
        return task.result()

    async def close(self) -> None:
        """Wait for the changes under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; nobody else needs to hear of it

    async def _run(self, act: Act, work: Work[_Result]) -> _Result:
        for tries in range(1, TRIES_MAX + 1):
            try:
                connection = await self._pool.acquire(timeout=POOL_WAIT_S)
            except NOT_LET_IN as error:
                raise shard_unavailable() from error
            try:
                return await self._write(connection, act, work)
            except _BUSY as error:
                if tries == TRIES_MAX:
                    raise shard_unavailable() from error
            finally:
                await self._pool.release(connection)
            await asyncio.sleep(RETRY_DELAY_S * tries)
        raise AssertionError("unreachable")

    async def _write(
        self, connection: asyncpg.Connection, act: Act, work: Work[_Result]
    ) -> _Result:
        try:
            await connection.execute("begin")
            version = await connection.fetchval(SQL["lock"].text) + 1
            result, lines = await work(connection, version)
            if lines:
                await connection.execute(SQL["count"].text, version)
                await tell(connection, self._house_id, act, lines)
        except GONE as error:
            _end(connection)
            raise shard_unavailable() from error
        except BaseException:
            await connection.execute("rollback")
            raise
        await self._commit(connection)
        if lines:
            self._tell(version)
        return result

    async def _commit(self, connection: asyncpg.Connection) -> None:
        warned: list[str] = []

        def listen(_: object, message: Any) -> None:
            if SYNC_WAIT_CANCELED in str(message):
                warned.append(str(message))

        connection.add_log_listener(listen)
        try:
            await connection.execute("commit")
        except GONE as error:
            _end(connection)
            raise unknown_outcome() from error
        except BaseException:
            connection.remove_log_listener(listen)
            raise
        connection.remove_log_listener(listen)
        if warned:
            # Committed here, but not where a failover would look: nobody may be told.
            raise unknown_outcome()


async def tell(
    connection: asyncpg.Connection, house_id: str, act: Act, lines: Sequence[Line]
) -> None:
    """Write journal rows of the house inside the transaction of what they tell."""
    change = Change(
        merchant_id=house_id,
        actor=act.actor,
        at=act.at,
        request_id=act.request_id,
        decide=_decided,
    )
    writing = Writing()
    for line in lines:
        writing.tell(change, line, None)
    try:
        await writing.execute(connection)
    except GuardLost as error:
        detail = "The house's book is closed at the moment."
        raise TillgateError("shard_unavailable", detail) from error


def _end(connection: asyncpg.Connection) -> None:
    """End a connection in doubt; the pool may have found it lost and let go of it already."""
    try:
        connection.terminate()
    except asyncpg.InterfaceError:
        pass


def _decided(rows: Rows) -> Writes:
    """What the journal is told of was decided and written already."""
    return Writes()

"""A lane: one writing connection, and the transaction that is on it.

Law: a connection in doubt is ended, never used again. From the moment COMMIT is sent until its
answer nothing is known of the transaction; a lost answer is looked up on another connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from gateway.adapters.postgres.batch import Batch, BatchRefused
from gateway.adapters.postgres.plans import PlanningConnection
from gateway.adapters.postgres.statements import load
from gateway.domain.errors import TillgateError

SQL = load(__file__.replace("lane", "commit"))

OUTCOME_POLL_S = 0.1
OUTCOME_WAIT_S = 120.0
GOODBYE_S = 2.0
SYNC_WAIT_CANCELED = "canceling wait for synchronous replication"

Connect = Callable[[], Awaitable[PlanningConnection]]


class CommitLost(Exception):
    """The connection went away while a transaction may have been committing.

    What is to be over before anything is run again: `transaction`, where its number is known, else
    the server's process `backend` in which it ran.
    """

    def __init__(self, *, transaction: str | None, backend: int) -> None:
        super().__init__(transaction, backend)
        self.transaction = transaction
        self.backend = backend


TRANSIENT = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    asyncpg.SerializationError,
)
DISCONNECTED = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says that died in the middle of an operation
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    ConnectionError,
    OSError,
)


def unknown_outcome() -> TillgateError:
    """The answer when a request may or may not have been recorded."""
    return TillgateError(
        "outcome_unknown",
        "The request may or may not have been recorded. Send the same request again.",
    )


class Lane:
    """`commit_since` is when the COMMIT under way was sent, by the loop's clock, else None."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: PlanningConnection | None = None
        self._is_warned = False
        self.commit_since: float | None = None

    async def write(self, batch: Batch) -> None:
        """Write and commit a batch: a short way if it can, else the long one.

        Raises `CommitLost`, and whatever ended the transaction before its COMMIT.
        """
        connection = await self._connected()
        await connection.begin_use()
        try:
            await self._write(connection, batch)
        finally:
            connection.end_use()

    async def _write(self, connection: asyncpg.Connection, batch: Batch) -> None:
        if batch.is_paid:
            await self._committed(connection, None, batch.pay(connection))
            return
        if batch.is_fresh and await self._committed(connection, None, batch.create(connection)):
            return
        if batch.is_foreseen and await self._committed(
            connection, None, batch.write_foreseen(connection)
        ):
            return
        await connection.execute("begin")
        transaction = await batch.decide_and_write(connection)
        await self._committed(connection, transaction, connection.execute("commit"))

    async def _committed(
        self, connection: asyncpg.Connection, transaction: str | None, work: Awaitable[Any]
    ) -> Any:
        """What `work`, which ends in a COMMIT, answers. Raises `CommitLost`."""
        backend = connection.get_server_pid()
        self._is_warned = False
        self.commit_since = asyncio.get_running_loop().time()
        try:
            answer = await work
        except DISCONNECTED as error:
            raise CommitLost(transaction=transaction, backend=backend) from error
        finally:
            self.commit_since = None
        if self._is_warned:
            # Committed here, but not where a failover would look: nobody may be told.
            raise BatchRefused(unknown_outcome())
        return answer

    def _listen(self, _: object, message: Any) -> None:
        self._is_warned = self._is_warned or SYNC_WAIT_CANCELED in str(message)

    async def is_over(self, lost: CommitLost) -> bool:
        """Wait until a lost transaction is not in progress any more; False if nobody could tell."""
        loop = asyncio.get_running_loop()
        started = self.commit_since = loop.time()
        try:
            while loop.time() - started < OUTCOME_WAIT_S:
                try:
                    if not await self._is_in_progress(lost):
                        return True
                except (*DISCONNECTED, *TRANSIENT):
                    self.drop()
                await asyncio.sleep(OUTCOME_POLL_S)
        finally:
            self.commit_since = None
        return False

    async def _is_in_progress(self, lost: CommitLost) -> bool:
        connection = await self._connected()
        if lost.transaction is None:
            # Another server process may have got the number since: then we wait in vain, no more.
            return await connection.fetchval(SQL["is_backend_alive"].text, lost.backend)
        try:
            outcome = await connection.fetchval(SQL["outcome_of"].text, lost.transaction)
        except asyncpg.InvalidParameterValueError:
            return False  # a number of the future: it was lost with a crash
        return outcome == "in progress"

    async def _connected(self) -> PlanningConnection:
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = await self._connect()
                self._connection.add_log_listener(self._listen)
            except (TimeoutError, asyncpg.PostgresError) as error:
                # Whatever keeps us out (too many connections, a login): nothing was recorded.
                raise ConnectionError(str(error)) from error
        return self._connection

    def drop(self) -> None:
        """End a connection in doubt."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def roll_back(self) -> None:
        """Roll back; a connection that cannot is ended."""
        if self._connection is None or self._connection.is_closed():
            return
        try:
            await self._connection.execute("rollback")
        except Exception:
            self.drop()

    async def close(self) -> None:
        """Say good-bye; a server that does not answer is left."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.close(timeout=GOODBYE_S)
        except (TimeoutError, *DISCONNECTED):
            connection.terminate()

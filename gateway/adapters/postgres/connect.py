"""Connections: the application role and its limits, named when a connection starts.

Law: every connection of a running system is opened here, as `tillgate_app` (owns nothing) or
`tillgate_read`. Limits are start-up parameters: they survive a pool's reset, which a later SET
would not. Writers plan by nested loops over indexes only, so that heads are locked in the order of
the arrays.
"""

import asyncpg

from gateway.adapters.postgres.commit import LOCK_TIMEOUT_MS
from gateway.adapters.postgres.plans import PlanningConnection

CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000
READ_CONNECTIONS_MAX = 8

_COMMON = {
    "role": "tillgate_app",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_WRITER = _COMMON | {
    "application_name": "tillgate-writer",
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "enable_seqscan": "off",
}
_READER = _COMMON | {
    "application_name": "tillgate-reader",
    "lock_timeout": "1000",
    # Generic plans that were made on empty tables would scan the journal for ever.
    "enable_seqscan": "off",
}


async def open_writer(dsn: str) -> PlanningConnection:
    """A connection for group commits."""
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_S,
        server_settings=_WRITER,
        connection_class=PlanningConnection,
    )


async def open_pool(dsn: str, *, size_max: int = READ_CONNECTIONS_MAX) -> asyncpg.Pool:
    """A pool for reads and for the small writes of workers and the directory."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size_max,
        timeout=CONNECT_TIMEOUT_S,
        max_inactive_connection_lifetime=300,
        server_settings=_READER,
        connection_class=PlanningConnection,
        setup=_begin_use,
        reset=_leave_clean,
    )


async def _begin_use(connection: PlanningConnection) -> None:
    await connection.begin_use()


async def _leave_clean(connection: PlanningConnection) -> None:
    """See to it that the next user finds a clean session: nothing here ever leaves session state,
    so only a transaction that was not ended is in doubt, and its connection with it."""
    if connection.is_in_transaction():
        connection.terminate()
    connection.end_use()

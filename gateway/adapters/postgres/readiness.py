"""Readiness: whether the databases keep what is committed, and are the ones they should be.

Law: asks, never repairs. Every shard is asked through the pool that serves requests, so what is
judged is what works: role, settings, identity, schema. A shard that cannot be reached is away, and
the others serve on; a shard that answers and is not as it must be (a promise about durability is
broken, a stranger's database, an older epoch) makes the whole process not ready, because money
would be written there. An answer is kept for `KEPT_S`, so that a probe costs nothing.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

import asyncpg

from gateway.adapters.postgres.migration_steps import read_steps
from gateway.adapters.postgres.statements import load

SQL = load(__file__)

KEPT_S = 1.0
ASK_WAIT_S = 2.0
DIRECTORY_AGE_S_MAX = 900.0

_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class PostgresReadiness:
    """Asks shards and directory; an instance is called for the details of `/readyz`.

    `pools[n]` is shard n's. `directory_away_for_s` says for how long the directory has not
    answered (0 while it does). `standby_required` is said by deployments that declare a
    synchronous standby. The installation is the first shard's unless given.
    """

    def __init__(
        self,
        pools: Sequence[asyncpg.Pool],
        *,
        directory_away_for_s: Callable[[], float] | None = None,
        installation_id: str | None = None,
        standby_required: bool = False,
    ) -> None:
        self._pools = tuple(pools)
        self._directory_away_for_s = directory_away_for_s
        self._installation_id = installation_id
        self._standby_required = standby_required
        self._epochs: dict[int, int] = {}
        self._asking: asyncio.Task[dict[str, Any]] | None = None
        self._asked_at = float("-inf")

    async def __call__(self) -> Mapping[str, Any]:
        """`ready`, `degraded`, and the checks of every shard; at most a second old."""
        asking = self._asking
        if asking is None or (asking.done() and monotonic() - self._asked_at > KEPT_S):
            self._asked_at = monotonic()
            asking = self._asking = asyncio.get_running_loop().create_task(self._ask())
        return await asyncio.shield(asking)

    async def _ask(self) -> dict[str, Any]:
        shards = await asyncio.gather(
            *(self._ask_shard(number, pool) for number, pool in enumerate(self._pools))
        )
        reachable = [shard for shard in shards if shard["reachable"]]
        away_s = 0.0 if self._directory_away_for_s is None else self._directory_away_for_s()
        fresh = away_s <= DIRECTORY_AGE_S_MAX
        return {
            "ready": bool(reachable) and fresh and all(shard["ready"] for shard in reachable),
            "degraded": len(reachable) < len(shards) or away_s > 0,
            "directory": {"away_for_s": round(away_s, 3), "fresh": fresh},
            "shards": shards,
        }

    async def _ask_shard(self, number: int, pool: asyncpg.Pool) -> dict[str, Any]:
        try:
            async with asyncio.timeout(ASK_WAIT_S), pool.acquire(timeout=ASK_WAIT_S) as connection:
                record = await connection.fetchrow(SQL["shard"].text)
        except asyncpg.UndefinedTableError:
            return _broken(number, "schema", "The database is not migrated.")
        except asyncpg.InsufficientPrivilegeError:
            return _broken(number, "grants", "The role may not read what it must.")
        except _AWAY as error:
            fault = type(error).__name__
            return {"shard": number, "reachable": False, "ready": False, "fault": fault}
        if record is None:
            return _broken(number, "identity", "The database does not say whose shard it is.")
        return self._judge(number, record)

    def _judge(self, number: int, record: Any) -> dict[str, Any]:
        known = self._epochs.setdefault(number, record["epoch"])
        self._epochs[number] = max(known, record["epoch"])
        installation = str(record["installation_id"])
        if self._installation_id is None:
            self._installation_id = installation
        checks = {
            "synchronous_commit": record["synchronous_commit"] in ("on", "remote_apply"),
            "fsync": record["fsync"] == "on",
            "full_page_writes": record["full_page_writes"] == "on",
            "not_in_recovery": not record["in_recovery"],
            "synchronous_standby": bool(record["standby_names"]) or not self._standby_required,
            "identity": record["shard"] == number and installation == self._installation_id,
            "epoch": record["epoch"] >= known,
            "role_owns_nothing": not record["is_superuser"] and not record["owns_tables"],
            "role_cannot_rewrite": not record["may_rewrite"],
            "migrations": _expected(number) <= set(record["migrations"] or ()),
        }
        failed = [name for name, holds in checks.items() if not holds]
        return {
            "shard": number,
            "reachable": True,
            "ready": not failed,
            "epoch": record["epoch"],
            "server_version": record["server_version"],
            "checks": checks,
            "fault": ", ".join(failed) or None,
        }


def _expected(number: int) -> set[str]:
    """What must be applied; more may be, while a newer release is being rolled out."""
    scopes = ("directory", "shard") if number == 0 else ("shard",)
    return {
        f"{step.scope} {step.number} {step.checksum}"
        for scope in scopes
        for step in read_steps(scope)
    }


def _broken(number: int, check: str, fault: str) -> dict[str, Any]:
    return {
        "shard": number,
        "reachable": True,
        "ready": False,
        "checks": {check: False},
        "fault": fault,
    }

"""The house that is measured: one gateway process and its Postgres, with merchants and accounts.

Law: what runs is what is sold: `tillgate serve` as an operator starts it, an embedded Postgres
with `fsync` and `synchronous_commit` on, on a real disk. Nothing is switched off for a benchmark.
Rows that a benchmark needs beforehand are written through the system's own Changes.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import structs

from benchmarks import processes
from benchmarks.load import RunVoid, Target
from benchmarks.processes import Cores
from benchmarks.requests import Signer
from gateway.adapters.postgres.verify import verify
from gateway.adapters.system.embedded import EmbeddedPostgres
from gateway.center.onboard import AccountWanted
from gateway.cli.administration import Administration, open_administration
from gateway.cli.databases import prepare
from gateway.config import Settings
from gateway.domain.access import MERCHANT_SCOPES
from gateway.domain.merchant import ChannelAccount
from gateway.sandbox import keys

MERCHANTS = 10
DATABASE_FOR_RIVALS = "rivals"
CHANNEL = "alipay"
METHOD = "alipay_qr"
APP_ID = "2021000000000001"
SELLER_ID = "2088000000000001"
SETTLE_S_MAX = 60.0
SETTLE_POLL_S = 0.2
FLUSH_S_MAX = 2.0
FLUSH_POLL_S = 0.1
FOREIGN = ("TILLGATE_POSTGRES_BIN", "TILLGATE_EMBEDDED_ROOT_MODE")
_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "server_version")
# What nobody calls: the benchmarks' payments ask no channel.
_NO_SIMULATOR = "http://127.0.0.1:9"


class Merchant:
    """A merchant with a key and a registration at the channel."""

    def __init__(self, signer: Signer, account: ChannelAccount) -> None:
        self.id = signer.merchant_id
        self.signer = signer
        self.account = account


class House:
    """The running parts, and hands to prepare and to look."""

    def __init__(
        self,
        administration: Administration,
        merchants: Sequence[Merchant],
        *,
        postgres: EmbeddedPostgres,
        dsns: Sequence[str],
        target: Target,
        metrics_port: int,
        channel_key: rsa.RSAPrivateKey,
        durability: dict[str, str],
        worker_pid: int | None = None,
    ) -> None:
        self.core = administration.core
        self.merchants = merchants
        self.target = target
        self.channel_key = channel_key
        self.durability = durability
        self.worker_pid = worker_pid
        self.dsns = tuple(dsns)
        self.dsn_for_rivals = postgres.dsn(DATABASE_FOR_RIVALS)
        self._metrics_port = metrics_port

    async def ask(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """The rows of a question to Postgres, of all shards, on connections of its own."""
        rows: list[asyncpg.Record] = []
        for dsn in self.dsns:
            connection = await asyncpg.connect(dsn)
            try:
                rows += await connection.fetch(sql, *values)
            finally:
                await connection.close()
        return rows

    async def settled(self, sql: str, *values: Any) -> tuple[int, ...]:
        """The numbers that a question answers once they no longer change, summed over the shards.

        What was under way when a round ended is committed a moment later. Raises `RunVoid`.
        """
        before: tuple[int, ...] | None = None
        last = asyncio.get_running_loop().time() + SETTLE_S_MAX
        while asyncio.get_running_loop().time() < last:
            rows = await self.ask(sql, *values)
            now = tuple(sum(column) for column in zip(*rows, strict=True))
            if now == before:
                return now
            before = now
            await asyncio.sleep(SETTLE_POLL_S)
        raise RunVoid("the database does not come to rest")

    async def commits(self, *, changes_min: float = 0.0) -> tuple[float, float]:
        """How many transactions and Changes the gateway has committed, by its own metrics.

        Its counters are flushed now and then: waits until they tell of so many Changes, for as
        long as that may take.
        """
        last = asyncio.get_running_loop().time() + FLUSH_S_MAX
        url = f"http://127.0.0.1:{self._metrics_port}/metrics"
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(url) as answer:
                    text = await answer.text()
                changes = _sum(text, "tillgate_commit_changes_sum")
                if changes >= changes_min or asyncio.get_running_loop().time() > last:
                    return _sum(text, "tillgate_commit_changes_count"), changes
                await asyncio.sleep(FLUSH_POLL_S)

    async def verify(self) -> str:
        """Recompute all books as `tillgate verify` does. Raises `RunVoid` if they do not hold."""
        report = await verify(self.dsns)
        if not report.holds:
            raise RunVoid(f"the books do not hold: {report.faults[:3]}")
        return (
            f"{report.payments:,} payments, {report.postings:,} postings, {report.events:,} events"
        )


def _sum(text: str, name: str) -> float:
    lines = (line for line in text.splitlines() if line.startswith((name + "{", name + " ")))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@contextlib.asynccontextmanager
async def open_house(
    folder: Path,
    *,
    cores: Cores,
    shards: int = 1,
    merchants: int = MERCHANTS,
    with_worker: bool = False,
) -> AsyncIterator[House]:
    """Start everything in a new folder; end it on the way out. Takes about 3 seconds.

    `with_worker` starts `tillgate work` beside the gateway, on its core, woken by it as in `up`;
    then the target is both of them.
    """
    names = [f"bench_{number}" for number in range(shards)]
    postgres = EmbeddedPostgres(folder / "postgres", databases=[*names, DATABASE_FOR_RIVALS])
    async with postgres:
        dsns = tuple(postgres.dsn(name) for name in names)
        settings = Settings(
            data=folder, database_urls=dsns, kek_file=folder / "kek", sandbox_url=_NO_SIMULATOR
        )
        await prepare(settings, report=lambda line: None, create_keys=True)
        async with open_administration(settings, actor="benchmark") as administration:
            channel_key = keys.load_private(keys.new_private_pem())
            merchant_pem = keys.new_private_pem()
            opened = [
                await _merchant(administration, number, channel_key, merchant_pem)
                for number in range(1, merchants + 1)
            ]
            async with contextlib.AsyncExitStack() as stack:
                hints = None
                if with_worker:
                    # Sockets have short names only, wherever the folder is.
                    hints = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
                serving = _serving(folder, dsns, cores, hints)
                target, metrics_port = await stack.enter_async_context(serving)
                worker_pid = None
                if hints is not None:
                    working = _working(folder, dsns, cores, hints)
                    worker_pid = await stack.enter_async_context(working)
                    target = structs.replace(target, pids=(*target.pids, worker_pid))
                connection = await asyncpg.connect(dsns[0])
                shown = {name: await connection.fetchval(f"show {name}") for name in _DURABILITY}
                await connection.close()
                yield House(
                    administration,
                    opened,
                    postgres=postgres,
                    dsns=dsns,
                    target=structs.replace(target, postgres_pid=postgres.pid),
                    metrics_port=metrics_port,
                    channel_key=channel_key,
                    durability=shown,
                    worker_pid=worker_pid,
                )


@contextlib.asynccontextmanager
async def _serving(
    folder: Path, dsns: Sequence[str], cores: Cores, hints: Path | None
) -> AsyncIterator[tuple[Target, int]]:
    """One gateway process on the measured core; where it is, and the port of its metrics."""
    port, metrics_port = processes.free_port(), processes.free_port()
    log = folder / "serve.log"
    command = [
        *_command("serve", folder, dsns, metrics_port=metrics_port),
        *("--port", str(port), "--drain-wait", "0"),
    ]
    async with processes.started(
        command, core=cores.server, environment=environment(hints), log=log
    ) as process:
        await processes.listening(process, port, log=log)
        yield Target(pids=(process.pid,), port=port), metrics_port


@contextlib.asynccontextmanager
async def _working(
    folder: Path, dsns: Sequence[str], cores: Cores, hints: Path
) -> AsyncIterator[int]:
    """One process of background work on the measured core; its id."""
    port, log = processes.free_port(), folder / "work.log"
    command = _command("work", folder, dsns, metrics_port=port)
    async with processes.started(
        command, core=cores.server, environment=environment(hints), log=log
    ) as process:
        await processes.listening(process, port, log=log)
        yield process.pid


def _command(role: str, folder: Path, dsns: Sequence[str], *, metrics_port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "gateway.cli", role, "--data", str(folder)),
        *(part for dsn in dsns for part in ("--database-url", dsn)),
        *("--kek-file", str(folder / "kek"), "--sandbox-url", _NO_SIMULATOR),
        *("--metrics-port", str(metrics_port), "--log-level", "warning"),
    ]


def environment(hints: Path | None = None) -> dict[str, str]:
    """This process's, without settings of another installation.

    `hints` is the folder of the socket by which a gateway wakes the workers, if it has any.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TILLGATE_") or name in FOREIGN
    }
    return kept if hints is None else {**kept, "TILLGATE_WAKE_SOCKET": str(hints / "wake.sock")}


async def _merchant(
    administration: Administration,
    number: int,
    channel_key: rsa.RSAPrivateKey,
    merchant_pem: str,
) -> Merchant:
    merchant = await administration.create_merchant(f"Shop {number}")
    key, _ = await administration.create_key(
        merchant.id, algorithm="hmac-sha256", scopes=sorted(MERCHANT_SCOPES)
    )
    wanted = AccountWanted(
        channel=CHANNEL,
        methods=[METHOD],
        credentials={
            "app_id": APP_ID,
            "seller_id": SELLER_ID,
            "alipay_public_key": keys.public_pem(channel_key.public_key()),
            "merchant_private_key": merchant_pem,
        },
    )
    account = await administration.create_account(merchant.id, wanted, ref="bench")
    return Merchant(Signer(merchant.id, key.id, key.secret), account)

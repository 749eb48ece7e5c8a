"""Life: a payment from its order to the merchant's webhook, beside the bare exchanges of one.

Law: both play at the same simulator with the same payers: the house as it is sold (`tillgate up`:
gateway, workers, simulators, Postgres) and a bare program that makes the same HTTP exchanges and
the same RSA operations and nothing else. Gateway and workers run on the measured core, everything
else on the other; what counts is their CPU time per life, because the simulator, which signs twice
per life, is what limits the throughput of both. Afterwards every life is looked up in Postgres and
in the simulator's book.
"""

import asyncio
import base64
import contextlib
import json
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from benchmarks import load, processes
from benchmarks.ask import ENDPOINTS, ask
from benchmarks.finding import Finding, Player, Verdict, ratio
from benchmarks.house import environment
from benchmarks.load import Round, RunVoid, Target
from benchmarks.requests import Signer
from benchmarks.stage import Stage, open_program
from gateway.adapters.postgres.verify import verify
from gateway.sandbox import keys

NAME = "life"
ABOUT = "create with QR code, simulator, callback, entries, webhook; beside the bare exchanges"
EXCHANGE = "benchmarks.rivals.exchange"
AT_ONCE = 32
START_S_MAX = 60.0
SECONDS_MIN = 5.0
LAG_SHARE = 0.5

COUNT = """
select count(*), count(e.entry_id), count(d.delivery_id) filter (where d.status = 'delivered')
from payments p
left join entries e on e.merchant_id = p.merchant_id and e.reference = p.attempt_id
    and e.reason = 'captured'
left join deliveries d on d.merchant_id = p.merchant_id and d.seq = p.last_sequence
where p.merchant_order_no >= $1 and p.merchant_order_no < $2 and p.status = 'succeeded'
    and p.amount_captured = p.amount
"""


class Up:
    """A running `tillgate up`."""

    def __init__(self, ready: dict[str, Any], target: Target) -> None:
        self.ready = ready
        self.target = target
        self.signer = Signer(
            ready["merchant_id"],
            ready["key_id"],
            base64.b64decode(ready["key_secret"]),
        )

    async def book(self) -> list[dict[str, Any]]:
        """The orders in the simulator's book."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.ready["sandbox_url"] + "/book/alipay") as answer,
        ):
            orders: list[dict[str, Any]] = (await answer.json())["orders"]
            return orders


@contextlib.asynccontextmanager
async def open_up(folder: Path, *, cores: processes.Cores) -> AsyncIterator[Up]:
    """`tillgate up` with one gateway and one worker process on the measured core."""
    folder.mkdir()
    folder.chmod(0o711)
    ready_file = folder / "ready.json"
    command = [
        *(sys.executable, "-m", "gateway.cli", "up", "--port", "0", "--workers", "1"),
        *("--data", str(folder / "data"), "--ready-file", str(ready_file)),
        *("--log-level", "warning"),
    ]
    log = folder / "up.log"
    async with processes.started(
        command, core=cores.rest, environment=environment(), log=log
    ) as process:
        last = asyncio.get_running_loop().time() + START_S_MAX
        while not ready_file.exists():
            if process.status is not None or asyncio.get_running_loop().time() > last:
                raise RunVoid(f"`tillgate up` does not serve:\n{log.read_text()[-2000:]}")
            await asyncio.sleep(processes.POLL_S)
        ready = json.loads(ready_file.read_text("utf-8"))
        pids, postgres = _members(process.pid)
        for pid in pids:
            processes.pin(pid, cores.server)
        port = int(ready["base_url"].rpartition(":")[2])
        yield Up(ready, Target(pids=pids, port=port, postgres_pid=postgres))


def _members(supervisor: int) -> tuple[tuple[int, ...], int]:
    """The gateways and workers of a supervisor, and its Postgres."""
    working, postgres = [], 0
    for pid in processes.children_of(supervisor):
        words = processes.command_of(pid)
        if words[-1:] == ["serve"] or words[-1:] == ["work"]:
            working.append(pid)
        elif any(Path(word).name == "postgres" for word in words):
            postgres = pid
    if len(working) != 2 or not postgres:
        raise RunVoid(f"`tillgate up` has unexpected children: {working}, Postgres {postgres}")
    return tuple(working), postgres


class Living:
    """Rounds of lives at one program."""

    def __init__(self, stage: Stage, name: str, target: Target, settings: dict[str, Any]) -> None:
        self.prefixes: list[tuple[str, int]] = []
        self._stage, self._name, self._target = stage, name, target
        self._settings = settings

    async def play(self, number: int, *, rate: float | None = None) -> Round:
        """One round. Raises `RunVoid`."""
        plan = self._stage.plan
        prefix = f"{self._name}-{number}-{secrets.token_hex(4)}-"
        file = plan.folder / f"{self._name}.json"
        file.write_text(json.dumps({**self._settings, "prefix": prefix}), "utf-8")
        seconds = max(plan.seconds, SECONDS_MIN)
        command = [
            *(sys.executable, "-m", "benchmarks.lives", str(file), "--at-once", str(AT_ONCE)),
            *("--seconds", str(seconds), *(["--rate", str(rate)] if rate else [])),
        ]
        measured = await load.measured(self._target, command, cores=plan.cores, seconds=seconds)
        self.prefixes.append((prefix, measured.requests))
        return measured


async def measure(stage: Stage) -> Finding:
    """Whole lives against bare exchanges, and how far webhooks lag. Raises `RunVoid`."""
    plan = stage.plan
    async with open_up(plan.folder / NAME, cores=plan.cores) as up:
        receiver, exchange_port = processes.free_port(), processes.free_port()
        webhook_url = f"http://127.0.0.1:{receiver}/webhooks"
        wanted = {"url": webhook_url, "events": ["payment.succeeded"]}
        await ask(up.ready["base_url"], up.signer, "POST", ENDPOINTS, wanted)
        common = {"sandbox_url": up.ready["sandbox_url"], "receiver_port": receiver}
        key = [up.signer.merchant_id, up.signer.key_id, up.signer.secret.hex()]
        whole = Living(
            stage, "life", up.target, {**common, "base_url": up.ready["base_url"], "key": key}
        )
        file = plan.folder / "exchange.json"
        account = await _account(up, exchange_port, webhook_url)
        file.write_text(json.dumps(account), "utf-8")
        async with open_program(EXCHANGE, plan, str(file), port=exchange_port) as target:
            base_url = f"http://127.0.0.1:{exchange_port}"
            bare = Living(stage, "bare", target, {**common, "base_url": base_url, "key": None})
            found = await plan.interleave({"tillgate": whole.play, "exchange": bare.play})
        rate = LAG_SHARE * max(each.rate for each in found["tillgate"])
        paced = [await whole.play(100 + n, rate=rate) for n in range(min(3, plan.rounds))]
        proof = await _prove(up, whole)
        await _close_books(stage, up)
    ours = Player(name="tillgate", about=ABOUT, rounds=found["tillgate"])
    other = Player(
        name="bare exchanges",
        about="the same HTTP exchanges and RSA operations only",
        rounds=found["exchange"],
    )
    half = Player(name="tillgate, half the rate", about="lives begun at moments", rounds=paced)
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=proof,
        players=[ours, other, half],
        verdicts=[
            Verdict(
                what="whole life: CPU time of the bare exchanges / ours (gateway and worker)",
                value=ratio(other, ours, "cpu_us"),
                target=0.7,
                at_least=0.5,
            ),
            Verdict(
                what=f"webhook lag p99 at half the maximum rate of lives ({rate:.0f}/s)",
                value=half.middle("lag_p99_ms") / 1000,
                target=1.0,
                at_least=1.0,
                more_is_better=False,
                unit="s",
            ),
        ],
        notes=[
            f"Throughput, ours / bare exchanges: {ratio(ours, other, 'rate'):.2f} (the simulator, "
            "which shares its core with Postgres and the payers, limits both)."
        ],
    )


async def _account(up: Up, port: int, webhook_url: str) -> dict[str, str]:
    """An account at the simulator for the bare program."""
    pem = keys.new_private_pem()
    public = keys.public_pem(keys.load_private(pem).public_key())
    body = {"channel": "alipay", "merchant_public_key": public}
    async with (
        aiohttp.ClientSession() as session,
        session.post(up.ready["sandbox_url"] + "/accounts", json=body) as answer,
    ):
        opened = await answer.json()
    return {
        "app_id": opened["app_id"],
        "alipay_public_key": opened["alipay_public_key"],
        "gateway_url": opened["gateway_url"],
        "merchant_private_key": pem,
        "notify_url": f"http://127.0.0.1:{port}/notify",
        "webhook_url": webhook_url,
    }


async def _prove(up: Up, whole: Living) -> str:
    """Look every life up. Raises `RunVoid`."""
    connection = await asyncpg.connect(up.ready["database_urls"][0])
    lived = 0
    try:
        for prefix, count in whole.prefixes:
            row = tuple(await connection.fetchrow(COUNT, prefix, prefix + "~"))
            if set(row) != {count}:
                raise RunVoid(
                    f"{count} lives ended; Postgres holds {row[0]} payments that succeeded, "
                    f"{row[1]} entries, {row[2]} webhooks delivered"
                )
            lived += count
    finally:
        await connection.close()
    paid = sum(1 for order in await up.book() if order["status"] == "paid")
    if paid < lived:
        raise RunVoid(f"{lived} lives ended; the simulator's book holds {paid} paid orders")
    return f"{lived:,} lives found in Postgres (payment, entry, delivery) and in the book"


async def _close_books(stage: Stage, up: Up) -> None:
    report = await verify(up.ready["database_urls"])
    if not report.holds:
        raise RunVoid(f"the books do not hold: {report.faults[:3]}")
    stage.books.append(f"{report.payments:,} payments, {report.postings:,} postings")

"""`tillgate demo`: everything up, one payment from the order to the book, shown step by step.

Law: nothing is pretended but the payer and the channel: signed requests over HTTP, a webhook whose
signature is verified, a book that is recomputed. `--once` ends with status 0 only if all of it is
right.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import aiohttp
import asyncpg
import segno
from cyclopts import Parameter

from gateway.adapters.postgres.ledger import SQL as LEDGER
from gateway.adapters.postgres.verify import verify
from gateway.cli.merchant_client import MerchantClient, Received, Refused, WebhookReceiver
from gateway.cli.options import RUNNING, UpOptions, option
from gateway.cli.ready import Ready
from gateway.cli.run import Signals, process_age_s, run
from gateway.cli.screen import Screen
from gateway.cli.serve import warn_of_pure_twin
from gateway.cli.tree import Tree
from gateway.cli.up import show_addresses, up_settings
from gateway.config import Settings
from gateway.domain import ids
from gateway.telemetry.logs import configure

AMOUNT_FEN = 1288
SUBJECT = "Two cups of tea"
CHANNEL = "alipay"
WEBHOOK_S_MAX = 30.0
PAYER_S_MAX = 10.0
TEMPORARY_PREFIX = "tillgate-demo-"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DemoOptions(UpOptions):
    """Of `demo`."""

    once: Annotated[
        bool, option("Stop afterwards; status 0 only if all was right.", group=RUNNING)
    ] = False


def demo(*, options: DemoOptions = DemoOptions()) -> int:
    """Start everything, make one payment by QR code at the pretend Alipay, pay it, show the books.

    Stays up afterwards. With --once it uses a temporary data folder (unless --data names one) and
    ends; the exit status is 0 only if payment, webhook, books and simulator agree.
    """
    screen = Screen(json=options.json)
    return run(lambda signals: _demo(options, screen, signals), screen=screen)


async def _demo(options: DemoOptions, screen: Screen, signals: Signals) -> int:
    begun = monotonic() - process_age_s()
    with _data_folder(options) as data:
        settings = up_settings(options, **({} if data is None else {"data": data}))
        configure(level=settings.log_level if options.log_level else "warning")
        warn_of_pure_twin(screen)
        async with Tree(settings, screen=screen) as tree:
            if not options.once:
                show_addresses(tree, screen, seconds=monotonic() - begun)
            story = Story(tree.ready, tree.settings, screen, begun=begun)
            await story.play()
            screen.give(story.summary())
            if options.once:
                return 0 if story.is_right else 1
            signals.take_over()
            screen.say("It stays up: Ctrl-C stops it.")
            await signals.asked.wait()
    return 0


@contextlib.contextmanager
def _data_folder(options: DemoOptions) -> Iterator[Path | None]:
    """A temporary folder for `--once` without `--data`, else what the settings say."""
    if not options.once or options.data is not None or "TILLGATE_DATA" in os.environ:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # an embedded Postgres may have to run as another user
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Story:
    """One payment, told as it happens; `checks` holds what was found right or wrong."""

    ready: Ready
    settings: Settings
    screen: Screen
    begun: float
    checks: dict[str, bool] = field(default_factory=dict)
    payment: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether everything was checked and nothing was wrong."""
        return bool(self.checks) and all(self.checks.values())

    def summary(self) -> dict[str, object]:
        """The result for programs."""
        return {
            "ok": self.is_right,
            "payment_id": self.payment.get("id"),
            "status": self.payment.get("status"),
            "seconds_to_first_payment": round(self.seconds, 3),
            "checks": self.checks,
        }

    def tell(self, text: str) -> None:
        """One step, with the seconds since the command began."""
        self.screen.show(f"[dim]{monotonic() - self.begun:6.2f} s[/dim]  {text}")

    async def play(self) -> None:
        """Order, pay, hear of it, look at the books."""
        ready = self.ready
        client = MerchantClient(
            ready.base_url,
            merchant_id=ready.merchant_id,
            key_id=ready.key_id,
            key_secret=ready.key_secret,
        )
        self.tell(f"everything serves; API at {ready.base_url}")
        async with client, WebhookReceiver(ready.notify_secret) as receiver:
            try:
                await self._pay(client, receiver)
                await self._hear(receiver)
                await self._look(client)
            except Refused as refused:
                self._check("every request is answered", False, str(refused))
        await self._prove()

    async def _pay(self, client: MerchantClient, receiver: WebhookReceiver) -> None:
        order_no = f"DEMO-{secrets.token_hex(6)}"
        body = {
            "merchant_order_no": order_no,
            "amount": AMOUNT_FEN,
            "currency": "CNY",
            "subject": SUBJECT,
            "method": "alipay_qr",
            "notify_url": receiver.url,
        }
        self.payment = await client.post("/v1/payments", body)
        self.tell(f"POST /v1/payments (signed): {self.payment['id']} {_status(self.payment)}")
        code = self.payment["next_action"].get("qr_code", "")
        self._check("the channel gives a QR code", bool(code))
        self.screen.show(_qr(code))
        self.tell(f"the payer scans {code}")
        played = await self._play_payer(code)
        self._check("the payer pays", played.get("result") == "paid", str(played))

    async def _play_payer(self, code: str) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=PAYER_S_MAX)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"{self.ready.sandbox_url}/payer/pay", json={"code": code}) as answer,
        ):
            content: dict[str, Any] = await answer.json()
            return content

    async def _hear(self, receiver: WebhookReceiver) -> None:
        with self.screen.step("Waiting for the webhook", "Waited for the webhook"):
            found = await receiver.wait_for("payment.succeeded", seconds=WEBHOOK_S_MAX)
        self._check("the webhook tells payment.succeeded", found is not None)
        self._check("every webhook is signed rightly", all(e.verified for e in receiver.received))
        if found is not None:
            self._check("it is about this payment", self._is_about(found))

    def _is_about(self, received: Received) -> bool:
        return bool(received.event["object_id"] == self.payment["id"])

    async def _look(self, client: MerchantClient) -> None:
        target = f"/v1/payments/{self.payment['id']}"
        self.payment = await client.get(target)
        self.seconds = monotonic() - self.begun
        captured = self.payment["amount_captured"]
        self._check(
            "the payment succeeded",
            self.payment["status"] == "succeeded" and captured == AMOUNT_FEN,
            f"{self.payment['status']}, captured {captured}",
        )
        lines = await _until_there(lambda: client.get(f"{target}/timeline"))
        self.screen.table(
            "at",
            "kind",
            "",
            rows=[(each["at"], each["kind"], each["summary"]) for each in lines],
            title="\nTimeline",
        )
        kinds = {each["kind"] for each in lines}
        self._check("the timeline tells of callback, entry and webhook", _tells(kinds), str(kinds))
        balances = (await client.get("/v1/balance"))["balances"]
        pending = sum(each["pending"] for each in balances if each["currency"] == "CNY")
        self._check("the balance holds the money", pending >= AMOUNT_FEN, str(balances))

    async def _prove(self) -> None:
        rows = await self._trial_balance()
        self.screen.table(
            "account",
            "debit",
            "credit",
            rows=[
                (row["code"], *_sides(row["side"], row["balance"], row["currency"])) for row in rows
            ],
            title="\nTrial balance (by the read-only login)",
        )
        sums = {"debit": 0, "credit": 0}
        for row in rows:
            sums[row["side"]] += row["balance"]
        self._check("debits equal credits", sums["debit"] == sums["credit"] > 0, str(sums))
        report = await verify(self._reading_urls())
        self._check("the recomputed book holds", report.holds, "; ".join(map(str, report.faults)))
        self._check("the simulator's book agrees", await self._simulator_agrees())
        self._verdict()

    def _reading_urls(self) -> tuple[str, ...]:
        return self.ready.database_urls or self.settings.database_urls

    async def _trial_balance(self) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = []
        for url in self._reading_urls():
            connection = await asyncpg.connect(url)
            try:
                rows += await connection.fetch(
                    LEDGER["trial_balance"].text, ids.to_hex(self.ready.merchant_id)
                )
            finally:
                await connection.close()
        return rows

    async def _simulator_agrees(self) -> bool:
        timeout = aiohttp.ClientTimeout(total=PAYER_S_MAX)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{self.ready.sandbox_url}/book/{CHANNEL}") as answer,
        ):
            orders = (await answer.json())["orders"]
        ours = [
            (order["amount"], order["status"], order["refunded"])
            for order in orders
            if order["channel_order_no"] == self.payment.get("channel_order_no")
        ]
        return ours == [(AMOUNT_FEN, "paid", 0)]

    def _check(self, what: str, is_right: bool, found: str = "") -> None:
        self.checks[what] = is_right
        if is_right:
            self.tell(f"[green]✓[/green] {what}")
        else:
            self.tell(f"[red]✗ {what}[/red]")
            self.screen.fail(f"not so: {what}{f' ({found})' if found else ''}")

    def _verdict(self) -> None:
        if self.is_right:
            self.screen.show(
                f"\n[bold green]The first payment took {self.seconds:.1f} s[/bold green] from the "
                "start of the command, embedded Postgres included."
            )
        else:
            wrong = [what for what, is_right in self.checks.items() if not is_right]
            self.screen.show(f"\n[bold red]Not all is right:[/bold red] {'; '.join(wrong)}")


async def _until_there(
    ask: Callable[[], Awaitable[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """The timeline once it tells how the webhook went: that is written down after the answer."""
    deadline = monotonic() + WEBHOOK_S_MAX
    while True:
        lines: list[dict[str, Any]] = (await ask())["data"]
        if _tells({each["kind"] for each in lines}) or monotonic() > deadline:
            return lines
        await asyncio.sleep(0.1)


def _tells(kinds: set[str]) -> bool:
    return {"callback", "entry", "webhook"} <= kinds


def _status(payment: dict[str, Any]) -> str:
    return f"[bold]{payment['status']}[/bold]"


def _qr(code: str) -> str:
    text = StringIO()
    segno.make(code, error="l").terminal(out=text, compact=True)
    return text.getvalue()


def _sides(side: str, balance: int, currency: str) -> tuple[str, str]:
    text = f"{balance / 100:.2f} {currency}"
    return (text, "") if side == "debit" else ("", text)

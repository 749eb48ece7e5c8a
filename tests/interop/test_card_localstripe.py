"""Our card codec against a server that others wrote: localstripe 1.15, as a separate process.

It proves the wire format, not safety: it ignores idempotency keys, allows over-refunds, and refuses
every parameter that it does not know, so the account's `parameters` are `plain`. It keeps its state
in a file of a fixed name in the temporary folder and listens on every address.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.channels.authorization import Captured, CaptureOrder
from gateway.channels.card import CardCodec
from gateway.channels.codec import (
    AccountView,
    Authorized,
    Closed,
    NotFound,
    Paid,
    PayOrder,
    Refunded,
    RefundOrder,
    Refused,
    Unknown,
    Waiting,
)
from gateway.channels.wire import CallbackRequest, HttpResponse

PROGRAM = Path(sys.executable).parent / "localstripe"
START_WAIT_S = 30
EVENT_WAIT_S = 20
SECRET = "whsec_localstripe"
CODEC: Any = CardCodec()
GOOD, DECLINED, SECURE = "4242424242424242", "4000000000000341", "4000002500003155"


def free_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::", 0))
        return int(probe.getsockname()[1])


class Server:
    """The running server, and the codec's requests carried to it."""

    def __init__(self, port: int, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.account = AccountView(
            account_id="cac_1",
            channel="card",
            gateway_url=f"http://127.0.0.1:{port}",
            notify_url="",
            credentials={
                "secret_key": "sk_test_123456",
                "webhook_secret": SECRET,
                "parameters": "plain",
            },
        )
        self.told: asyncio.Queue[CallbackRequest] = asyncio.Queue()

    async def token(self, number: str) -> str:
        """What a merchant's page does: the card goes to the server, a token comes back."""
        card = {"number": number, "exp_month": 12, "exp_year": 2035, "cvc": "123"}
        url = self.account.gateway_url + "/v1/payment_methods"
        headers = {"Authorization": f"Bearer {self.account.credentials['secret_key']}"}
        async with self.http.post(
            url, json={"type": "card", "card": card}, headers=headers
        ) as response:
            return str((await response.json())["id"])

    async def order(self, attempt_no: str, card: str, **changes: Any) -> PayOrder:
        moment = datetime.now(UTC)
        content: dict[str, Any] = {
            "attempt_no": attempt_no,
            "method": "card",
            "amount": 1234,
            "currency": "EUR",
            "subject": "a book",
            "created_at": moment,
            "expires_at": moment,
            "method_options": {"payment_method": await self.token(card)},
        }
        order = PayOrder(**(content | changes))
        CODEC.check_order(order)
        return order

    async def do(self, operation: str, subject: Any) -> Any:
        now = datetime.now(UTC)
        request = getattr(CODEC, f"build_{operation}")(self.account, subject, now)
        async with self.http.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.body or None,
            headers=request.headers,
        ) as response:
            answer = HttpResponse(response.status, {}, await response.read())
        return getattr(CODEC, f"read_{operation}")(self.account, subject, answer)

    async def keep(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.told.put_nowait(CallbackRequest("POST", "/", headers, await request.read()))
        return web.Response()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            PROGRAM, "--port", str(port), "--from-scratch", stdout=log, stderr=log, cwd=tmp_path
        )
    try:
        async with aiohttp.ClientSession() as http:
            server = Server(port, http)
            async with asyncio.timeout(START_WAIT_S):
                while not await answers(http, server.account.gateway_url):
                    assert process.returncode is None, (tmp_path / "log").read_text()
            yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url):
            return True
    except aiohttp.ClientConnectionError:
        return False


async def test_create_query_and_refund(server: Server) -> None:
    order = await server.order("A1", GOOD)
    assert await server.do("query", order) == NotFound()
    paid = await server.do("pay", order)
    assert isinstance(paid, Paid) and (paid.amount, paid.currency) == (1234, "EUR")
    assert await server.do("query", order) == paid
    known = await server.order("A1", GOOD, channel_order_no=paid.channel_order_no)
    assert await server.do("query", known) == paid
    refund = RefundOrder("A1", paid.channel_order_no, "R1", 1000, 1234, "EUR", "broken")
    assert await server.do("refund_query", refund) == NotFound()
    done = await server.do("refund", refund)
    assert isinstance(done, Refunded) and done.refund_no == "R1"
    assert await server.do("refund_query", refund) == done
    assert isinstance(await server.do("close", known), Unknown)


async def test_a_decline(server: Server) -> None:
    order = await server.order("A1", DECLINED)
    for operation in ("pay", "query"):
        refused = await server.do(operation, order)
        assert isinstance(refused, Refused)
        assert (refused.code, refused.channel_code) == ("card_declined", "card_declined")


async def test_a_card_that_wants_action_waits_and_is_canceled(server: Server) -> None:
    order = await server.order("A1", SECURE)
    waiting = await server.do("pay", order)
    assert isinstance(waiting, Waiting)
    assert await server.do("query", order) == waiting
    known = await server.order("A1", SECURE, channel_order_no=waiting.channel_order_no)
    assert await server.do("close", known) == Closed(waiting.channel_order_no)
    assert isinstance(await server.do("close", known), Unknown)
    assert await server.do("query", known) == Closed(waiting.channel_order_no)


async def test_a_hold_is_captured_or_let_go(server: Server) -> None:
    orders = [await server.order(no, GOOD, capture_method="manual") for no in ("A1", "A2")]
    held = [await server.do("pay", each) for each in orders]
    assert all(isinstance(each, Authorized) and each.amount == 1234 for each in held)
    capture = CaptureOrder(
        attempt_no="A1",
        channel_order_no=held[0].channel_order_no,
        capture_no="C1",
        method="card",
        amount=1234,
        amount_authorized=1234,
        currency="EUR",
        subject="a book",
        created_at=datetime.now(UTC),
    )
    assert await server.do("capture_query", capture) == NotFound()
    assert await server.do("capture", capture) == Captured("C1", 1234)
    assert await server.do("capture_query", capture) == Captured("C1", 1234)
    number = held[1].channel_order_no
    order = await server.order("A2", GOOD, channel_order_no=number)
    assert await server.do("void", order) == Closed(number)


async def test_a_key_of_the_wrong_kind(server: Server) -> None:
    wrong = dict(server.account.credentials) | {"secret_key": "nothing"}
    order = await server.order("A1", GOOD)
    server.account = AccountView("cac_2", "card", server.account.gateway_url, "", wrong)
    assert (await server.do("pay", order)).code == "channel_misconfigured"
    assert isinstance(await server.do("query", order), Unknown)


async def test_its_events_are_taken(server: Server) -> None:
    application = web.Application()
    application.router.add_post("/", server.keep)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        target = {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/", "secret": SECRET}
        async with server.http.post(
            server.account.gateway_url + "/_config/webhooks/ours", json=target
        ) as response:
            assert response.status == 200
        paid = await server.do("pay", await server.order("A1", GOOD))
        request = await asyncio.wait_for(server.told.get(), EVENT_WAIT_S)
    finally:
        await runner.cleanup()
    verified = CODEC.read_callback(server.account, request, datetime.now(UTC))
    assert verified.attempt_no == "A1"
    assert (verified.outcome.channel_order_no, verified.outcome.amount) == (
        paid.channel_order_no,
        1234,
    )

"""A tiny channel with every kind of way, so that the middle can be tried without a real dialect.

The channel answers what a test has laid down for an operation, in its order, and else what it
answers by default. Its dialect is the outcome itself as JSON, under a key that is named by serial.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from gateway.center.onboard import AccountWanted
from gateway.channels import codec as words
from gateway.channels.codec import (
    AccountView,
    CallbackRefused,
    Closed,
    HandedOut,
    NotFound,
    PayOrder,
    Refunded,
    Unknown,
    VerifiedCallback,
    Waiting,
)
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError
from tests.world import World

OWN_SERIAL = "K1"
SILENCE = "silence"
Outcome = (
    words.HandedOut
    | words.Waiting
    | words.Paid
    | words.Authorized
    | words.Closed
    | words.NotFound
    | words.Refused
    | words.Refunded
    | words.RefundPending
    | words.Unknown
)


class Callback(msgspec.Struct):
    """What the channel posts to us."""

    serial: str
    key: str
    attempt_no: str
    outcome: Outcome
    refund_no: str | None = None


class TrialCodec:
    """See `gateway.channels.codec`, `answering`, `authorization` and `key_ring`."""

    name = "trial"
    methods = frozenset(
        {"trial_qr", "trial_page", "trial_card", "trial_preauth", "trial_till", "trial_sms"}
    )
    currencies = frozenset({"CNY"})
    single_shot = frozenset({"trial_card", "trial_till"})
    reversible = frozenset({"trial_till"})
    authorizing = frozenset({"trial_card", "trial_preauth"})
    answered = frozenset({"trial_sms"})
    credential_names = frozenset({"url"})
    option_names: frozenset[str] = frozenset()
    secret_names: frozenset[str] = frozenset()

    def check_account(self, account: AccountView) -> None: ...

    def check_order(self, order: PayOrder) -> None:
        if order.method == "trial_till" and "auth_code" not in order.method_options:
            raise TillgateError("missing_field", "A till needs a code.", param="/method_options")

    def build_pay(self, account: AccountView, order: PayOrder, now: datetime) -> Any:
        if order.method == "trial_page":
            return HandedOut({"type": "redirect", "url": f"https://trial.example/{order.subject}"})
        return _request(account, "pay", order, dict(order.method_options))

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        return _request(account, "query", order)

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        return _request(account, "close", order)

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        return _request(account, "cancel", order)

    def build_void(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        return _request(account, "void", order)

    def build_answer(
        self, account: AccountView, order: PayOrder, answer: Mapping[str, str], now: datetime
    ) -> HttpRequest:
        return _request(account, "answer", order, dict(answer))

    def build_refund(self, account: AccountView, refund: Any, now: datetime) -> HttpRequest:
        return _request(account, "refund", refund)

    def build_refund_query(self, account: AccountView, refund: Any, now: datetime) -> HttpRequest:
        return _request(account, "refund_query", refund)

    def _read(self, account: AccountView, order: Any, response: HttpResponse) -> Any:
        serial = response.headers.get("x-serial", "")
        if serial not in {OWN_SERIAL, *account.keys}:
            return Unknown(UNKNOWN_SERIAL, serial)
        if response.status != 200:
            return Unknown("status")
        return msgspec.json.decode(response.body, type=Outcome)

    read_pay = read_query = read_close = read_cancel = read_void = read_answer = _read
    read_refund = read_refund_query = _read

    def build_keys(
        self, account: AccountView, serial: str | None, now: datetime
    ) -> HttpRequest | None:
        return HttpRequest(
            "POST", f"{account.credentials['url']}/keys", body=(serial or "").encode()
        )

    def read_keys(
        self, account: AccountView, response: HttpResponse, now: datetime
    ) -> Mapping[str, str]:
        return msgspec.json.decode(response.body, type=dict[str, str])

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        try:
            said = msgspec.json.decode(request.body, type=Callback)
        except msgspec.DecodeError:
            raise CallbackRefused("malformed") from None
        if said.serial == "old":
            raise CallbackRefused("stale")
        if said.serial not in {OWN_SERIAL, *account.keys}:
            raise CallbackRefused(UNKNOWN_SERIAL, serial=said.serial)
        return VerifiedCallback(said.key, said.attempt_no, said.outcome, said.refund_no)

    def callback_reply(self, accepted: bool) -> CallbackReply:
        return CallbackReply(200 if accepted else 400, "text/plain", b"ok" if accepted else b"no")


def _request(
    account: AccountView, operation: str, order: Any, more: Mapping[str, str] | None = None
) -> HttpRequest:
    body = {
        "attempt_no": order.attempt_no,
        "amount": order.amount,
        "channel_order_no": order.channel_order_no,
        "refund_no": getattr(order, "refund_no", None),
    }
    content = msgspec.json.encode(body | dict(more or {}))
    return HttpRequest("POST", f"{account.credentials['url']}/{operation}", body=content)


class TrialChannel:
    """The channel: `lay(operation, answer, …)` what it answers next; `calls` is what it was asked.

    An answer is an outcome, `SILENCE` (the connection is cut), or a function of the request's body
    that gives one.
    """

    def __init__(self) -> None:
        self.url = ""
        self.serial = OWN_SERIAL
        self.keys: dict[str, str] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.laid: dict[str, list[Any]] = defaultdict(list)
        self.by_default: dict[str, Any] = {
            "pay": HandedOut({"type": "qr_code", "qr_code": "https://trial.example/qr"}),
            "query": Waiting(),
            "close": Closed(),
            "cancel": Closed(),
            "void": Closed(),
            "refund": lambda body: Refunded(body["refund_no"]),
            "refund_query": NotFound(),
        }

    def lay(self, operation: str, *answers: Any) -> None:
        self.laid[operation].extend(answers)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [body for name, body in self.calls if name == operation]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        operation = request.path.strip("/")
        raw = await request.read()
        if operation == "keys":
            self.calls.append((operation, {"serial": raw.decode()}))
            return web.json_response(self.keys)
        body = msgspec.json.decode(raw)
        self.calls.append((operation, body))
        answer = self.laid[operation].pop(0) if self.laid[operation] else None
        answer = self.by_default[operation] if answer is None else answer
        if isinstance(answer, Callable):
            answer = answer(body)
            if asyncio.iscoroutine(answer):
                answer = await answer
        if answer is SILENCE:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        encoded = msgspec.json.encode(answer)
        return web.Response(body=encoded, headers={"X-Serial": self.serial})


class Trial:
    """A world with an account at the trial channel."""

    def __init__(self, world: World, channel: TrialChannel) -> None:
        self.world = world
        self.channel = channel
        self.account_id = ""

    async def open_account(self) -> None:
        core = self.world.core
        numbered = core.directory.fingerprints.numbered(
            "create_account", "/a", {}, core.ids.request_id()
        )
        account, _ = await core.onboard.create_account(
            self.world.merchant.mch,
            AccountWanted(
                channel="trial",
                methods=sorted(TrialCodec.methods),
                credentials={"url": self.channel.url},
            ),
            numbered,
            actor="test",
            request_id=None,
        )
        self.account_id = account.id

    async def pay(self, method: str, number: str = "A-1", **more: Any) -> Any:
        """A payment by `method`, as it was answered."""
        order = {
            "merchant_order_no": number,
            "amount": 100,
            "currency": "CNY",
            "subject": "tea",
            "method": method,
        }
        answer = await self.world.merchant.post("/v1/payments", order | more)
        assert answer.status == 201, answer
        return answer.body

    async def till(self, number: str = "A-1") -> Any:
        """A payment by a code that the payer shows at the till."""
        return await self.pay("trial_till", number, method_options={"auth_code": "281234567890"})

    async def post(self, payment: Any, verb: str, body: Any = None) -> Any:
        return await self.world.merchant.post(f"/v1/payments/{payment['id']}/{verb}", body)

    async def chase(self, payment: Any) -> Any:
        """One round of the chase, and the payment afterwards."""
        mch = self.world.merchant.mch
        await self.world.core.chase.attempt(mch, payment["attempt_id"], actor="worker:chase")
        return await self.world.payment(payment["id"])

    async def later(self, seconds: int) -> None:
        """All attempts are that much older."""
        await self.world.sql(
            "update attempts set created_at = created_at - make_interval(secs => $1),"
            " sent_at = sent_at - make_interval(secs => $1), due_at = now()"
            " where due_at is not null",
            float(seconds),
        )

    async def attempt(self) -> Any:
        (row,) = await self.world.sql("select * from attempts order by number desc limit 1")
        return row

    async def tell(
        self,
        payment: Any,
        outcome: Any,
        *,
        key: str = "k",
        serial: str = OWN_SERIAL,
        refund_no: str | None = None,
    ) -> int:
        """The channel calls us; the status of our answer."""
        number = payment["attempt_id"].removeprefix("att_")
        body = msgspec.json.encode(Callback(serial, key, number, outcome, refund_no))
        url = f"{self.world.base}/callbacks/trial/{self.account_id}"
        async with self.world.session.post(url, data=body) as response:
            return response.status

    async def types(self, payment: Any) -> list[str]:
        """The events of a payment, in their order."""
        events = (await self.world.merchant.get("/v1/events?limit=100")).body["data"]
        return [
            each["type"].removeprefix("payment.")
            for each in events
            if each["object_id"] == payment["id"]
        ]

    async def entries(self) -> list[str]:
        return [row["reason"] for row in await self.world.sql("select reason from entries")]

"""The doors of the pretend WeChat Pay: `/wechat/v3/…`, their checks, signatures and faults.

Law: nothing is looked at before the signature stands. A request whose sender is not proved is
refused unsigned; every other answer, an empty one too, is signed over its exact bytes, with the
kind of key that the request named. Only a bill's file is unsigned. Times of signatures are real
time, also when the business clock was moved; a request signed 300 s or more from it is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from gateway.sandbox import keys
from gateway.sandbox.book import Notice, Order
from gateway.sandbox.channel import Described, PayerRefused, Played, World
from gateway.sandbox.connections import cut, hold
from gateway.sandbox.faults import (
    AMOUNT_REQUEST_FAULTS,
    NOTIFICATION_FAULTS,
    REQUEST_FAULTS,
    Fault,
)
from gateway.sandbox.moments import Clock, system_clock, to_ms
from gateway.sandbox.notifications import Outgoing
from gateway.sandbox.strict import InputRefused, Members, read_object
from gateway.sandbox.wechat import magic, notices, wire
from gateway.sandbox.wechat.accounts import Account, Accounts
from gateway.sandbox.wechat.bills import Bills
from gateway.sandbox.wechat.call import Call, check_headers, check_mchid
from gateway.sandbox.wechat.fields import Fields, json_text
from gateway.sandbox.wechat.ledger import CHANNEL, Ledger
from gateway.sandbox.wechat.orders import Answer, Orders, trade_type
from gateway.sandbox.wechat.platform import CALLBACKS, Platform, Signer
from gateway.sandbox.wechat.refunds import Refunds
from gateway.sandbox.wechat.refusals import Refusal
from gateway.sandbox.wechat.transfers import NO_ORDER, Transfers

SKEW_S_MAX: Final = 300
SIGNATURE_CHARS_MAX: Final = 1_400
BILLS: Final = "/v3/fund-app/mch-transfer/transfer-bills"
ORDERS: Final = "/v3/pay/transactions"
REFUNDS: Final = "/v3/refund/domestic/refunds"

FAULTS: Final = {
    **dict.fromkeys(("native", "jsapi", "h5", "app", "close", "reverse"), REQUEST_FAULTS),
    **dict.fromkeys(("codepay", "query", "refund", "refund_query"), AMOUNT_REQUEST_FAULTS),
    "transfer": REQUEST_FAULTS,
    "transfer_query": AMOUNT_REQUEST_FAULTS,
    "transfer_cancel": REQUEST_FAULTS,
    "certificates": REQUEST_FAULTS,
    "tradebill": REQUEST_FAULTS,
    "fundflowbill": REQUEST_FAULTS,
    "billdownload": REQUEST_FAULTS,
    "notify": NOTIFICATION_FAULTS,
}
"""Operation -> the faults that have a meaning for it."""


Method = Callable[[Call], Answer]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WechatSimulator:
    """A `Simulator` (see `channel.py`); `wall` is real time, which signatures are dated in."""

    name: Final = CHANNEL
    operations: Final = FAULTS

    def __init__(self, world: World, *, wall: Clock = system_clock) -> None:
        self._world = world
        self._wall = wall
        self._ledger = Ledger(world.book)
        self._accounts = Accounts(book=world.book, clock=world.clock)
        self._platform = Platform(
            book=world.book, ledger=self._ledger, clock=world.clock, wall=wall
        )
        self._orders = Orders(world, self._ledger)
        self._refunds = Refunds(world, self._ledger, self._accounts)
        self._transfers = Transfers(world, self._ledger, self._accounts, self._platform)
        self._bills = Bills(world, self._ledger)
        self._refunds.watch()
        self._transfers.watch()

    def routes(self) -> list[web.RouteDef]:
        """The doors of the protocol, the payer's link of H5, and the control of the keys."""
        orders, refunds, transfers = self._orders, self._refunds, self._transfers
        order = f"{ORDERS}/out-trade-no/{{number}}"
        bill = f"{BILLS}/out-bill-no/{{number}}"
        posts: list[tuple[str, str, Method]] = [
            *((f"{ORDERS}/{kind}", kind, self._maker(kind)) for kind in _KINDS),
            (f"{ORDERS}/codepay", "codepay", lambda c: orders.charge(c.account, c.fields)),
            (f"{order}/close", "close", self._close),
            (f"{order}/reverse", "reverse", self._reverse),
            (REFUNDS, "refund", lambda c: refunds.refund(c.account, c.fields)),
            (
                BILLS,
                "transfer",
                lambda c: transfers.transfer(c.account, c.fields, named=c.named),
            ),
            (f"{bill}/cancel", "transfer_cancel", lambda c: transfers.cancel(c.account, c.number)),
        ]
        gets: list[tuple[str, str, Method]] = [
            (order, "query", self._query),
            (f"{ORDERS}/id/{{number}}", "query", self._query_by_id),
            (f"{REFUNDS}/{{number}}", "refund_query", lambda c: refunds.query(c.account, c.number)),
            (bill, "transfer_query", lambda c: transfers.query(c.account, c.number)),
            (
                f"{BILLS}/transfer-bill-no/{{number}}",
                "transfer_query",
                lambda c: transfers.query_by_id(c.account, c.number),
            ),
            ("/v3/certificates", "certificates", self._certificates),
            (
                "/v3/bill/tradebill",
                "tradebill",
                lambda c: self._bills.trade(c.account, c.query, origin=c.origin),
            ),
            (
                "/v3/bill/fundflowbill",
                "fundflowbill",
                lambda c: self._bills.fund_flow(c.account, c.query, origin=c.origin),
            ),
            ("/v3/billdownload/file", "billdownload", self._no_json),
        ]
        return [
            *(web.post(wire.MOUNT + path, self._door(name, do)) for path, name, do in posts),
            *(
                web.get(wire.MOUNT + path, self._door(name, do), allow_head=False)
                for path, name, do in gets
            ),
            web.get(f"{wire.MOUNT}/h5", self._h5, allow_head=False),
            web.post(f"{wire.MOUNT}/keys", self._control_keys),
        ]

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """What a client of either kind is configured with; raises `KeyRefused`."""
        account = self._accounts.open(merchant_public_key)
        self._platform.prepare()
        details = self._platform.details(account)
        return {
            "channel": CHANNEL,
            "mchid": account.mchid,
            "appid": account.appid,
            "merchant_serial": account.merchant_serial,
            "apiv3_key": account.apiv3_key,
            **details,
            "wechat_public_key": details["platform_public_key"],
            "wechat_public_key_id": details["public_key_id"],
            "gateway_url": sandbox_url + wire.MOUNT,
        }

    # The payer

    def take(self, code: str) -> Order | None:
        """What a payer finds behind a code that no order has itself: a link, a package."""
        if code.startswith("prepay_id="):
            return self._own_order(code.removeprefix("prepay_id="))
        parts = urlsplit(code)
        if parts.path == f"{wire.MOUNT}/h5":
            return self._own_order(parse_qs(parts.query).get("prepay_id", [""])[0])
        return self._transfers.as_order(code)

    def play(self, order: Order, *, behaviour: str, amount: int | None) -> Played:
        """The payer pays, declines or walks off; a payee confirms a transfer."""
        if amount is not None and amount != order.amount:
            detail = "the code names its amount; leave it out or give the same"
            raise PayerRefused("amount_mismatch", detail, conflict=False)
        if order.id == NO_ORDER:
            return self._transfers.play(order, behaviour=behaviour)
        if order.status != "open":
            raise PayerRefused(f"already_{order.status}", f"the order is {order.status}")
        if self._orders.state_of(order) == "PAYERROR":
            raise PayerRefused("already_declined", "the payer declined this code")
        if behaviour == "ignore":
            return Played("ignored", order.channel_order_no)
        is_code = trade_type(order) == "MICROPAY"
        if behaviour == "decline" or order.amount == magic.PAYER_SHORT_FEN:
            if is_code:
                with self._world.book.change():
                    self._ledger.keep_state(order, "PAYERROR")
            return Played("declined", order.channel_order_no)
        account = self._account_of(order.account_id)
        with self._world.book.change():
            order = self._orders.pay(order)
            if order.notify_url is not None and not is_code:
                now_ms = to_ms(self._world.clock())
                view = self._orders.view(account, order)
                content = notices.payment_content(view, now_ms=now_ms)
                self._world.postman.post(order, url=order.notify_url, content=content)
        return Played("paid", order.channel_order_no)

    def describe(self, order: Order) -> Described:
        """What the payer's phone shows."""
        content = Fields.of(order.content.encode())
        subject = str(content.members.get("description", ""))
        return Described("微信支付 WeChat Pay", order.account_id, subject)

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """One sealed and signed sending."""
        account = self._account_of(notice.account_id)
        signer = self._platform.calling(account)
        return notices.compose(
            notice, account=account, signer=signer, wall_s=self._wall_s(), fault=fault
        )

    def accepts(self, status: int, body: bytes) -> bool:
        """The status alone decides: 200 or 204."""
        return status in (200, 204)

    # Doors

    def _door(self, operation: str, method: Method) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            try:
                account = self._authenticated(request, body)
            except Refusal as refusal:
                return web.json_response(refusal.to_json(), status=refusal.status)
            return await self._operate(request, account, body, operation, method)

        return handle

    async def _operate(
        self, request: web.Request, account: Account, body: bytes, operation: str, method: Method
    ) -> web.StreamResponse:
        fault = self._world.faults.take(CHANNEL, operation)
        word = fault.fault if fault else None
        if word == "timeout":
            return await hold(request)
        if fault is not None and fault.delay_ms is not None:
            await asyncio.sleep(fault.delay_ms / 1_000)
        named = request.headers.get("Wechatpay-Serial")
        signer = self._platform.answering(account, named)
        try:
            if word == "error":
                raise Refusal("SYSTEM_ERROR")
            if signer is None:
                raise Refusal("PARAM_ERROR", "Wechatpay-Serial")
            check_headers(request)
            call = Call(request, account, signer, named, body)
            if operation == "billdownload":
                return self._file(call, fault)
            answer = method(call)
        except Refusal as refusal:
            answer = Answer(refusal.to_json(), status=refusal.status)
        if answer.cut or word == "drop_after_effect":
            return cut(request)
        signer = signer or self._platform.answering(account, None)
        if signer is None:
            raise LookupError("no account was opened yet")
        return self._signed(answer, signer, word)

    def _authenticated(self, request: web.Request, body: bytes) -> Account:
        authorization = wire.parse_authorization(request.headers.get("Authorization", ""))
        account = self._accounts.get(authorization.mchid)
        if account is None:
            raise Refusal("SIGN_ERROR", "mchid")
        if authorization.serial.upper() != account.merchant_serial:
            raise Refusal("SIGN_ERROR", "serial_no")
        if not self._is_fresh(authorization.timestamp):
            raise Refusal("SIGN_ERROR", "timestamp")
        if len(authorization.signature) <= SIGNATURE_CHARS_MAX and any(
            keys.verified(
                account.merchant_key,
                message=wire.request_text(request.method, target, authorization, body),
                signature=authorization.signature,
            )
            for target in wire.targets(request.raw_path)
        ):
            return account
        raise Refusal("SIGN_ERROR", "signature")

    def _signed(self, answer: Answer, signer: Signer, fault: str | None) -> web.Response:
        content = answer.body
        if content is not None and fault == "wrong_amount":
            content = notices.falsified(content)
        body = b"" if content is None else json_text(content)
        spoiled = "bad_signature" if fault == "bad_signature" else None
        headers = notices.signed_headers(body, signer, wall_s=self._wall_s(), fault=spoiled)
        if answer.status == 204:
            del headers["Content-Type"]
        return web.Response(body=body, status=answer.status, headers=headers)

    def _file(self, call: Call, fault: Fault | None) -> web.StreamResponse:
        """A bill's file, unsigned as in reality; a false signature is a false byte here."""
        content = self._bills.download(call.account, call.query.get("token", ""))
        word = fault.fault if fault else None
        if word == "drop_after_effect":
            return cut(call.request)
        if word == "bad_signature":
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        return web.Response(body=content, content_type="application/octet-stream")

    # Methods that need more than one call

    def _maker(self, kind: str) -> Method:
        return lambda call: self._orders.make(call.account, kind, call.fields, origin=call.origin)

    def _query(self, call: Call) -> Answer:
        check_mchid(call.account, call.query.get("mchid"))
        return self._orders.query(call.account, call.number)

    def _query_by_id(self, call: Call) -> Answer:
        check_mchid(call.account, call.query.get("mchid"))
        return self._orders.query_by_id(call.account, call.number)

    def _close(self, call: Call) -> Answer:
        check_mchid(call.account, call.fields.required_text("mchid", bytes_max=32))
        return self._orders.close(call.account, call.number)

    def _reverse(self, call: Call) -> Answer:
        fields = call.fields
        check_mchid(call.account, fields.required_text("mchid", bytes_max=32))
        if fields.required_text("appid", bytes_max=32) != call.account.appid:
            raise Refusal("APPID_MCHID_NOT_MATCH")
        return self._orders.reverse(call.account, call.number)

    def _certificates(self, call: Call) -> Answer:
        return Answer({"data": self._platform.certificates(call.account)})

    def _no_json(self, call: Call) -> Answer:
        raise AssertionError("a file is answered by _file")

    async def _h5(self, request: web.Request) -> web.StreamResponse:
        """The link of an H5 order, opened in a browser: to the payer's page."""
        code = request.query.get("prepay_id", "")
        if self._own_order(code) is None:
            raise InputRefused("unknown_code", "no order has this code", status=404)
        raise web.HTTPFound(f"/payer?code={code}")

    async def _control_keys(self, request: web.Request) -> web.Response:
        """`{"rotate"?: 1, "callbacks"?: auto|certificate|public_key|mixed}` steers the keys."""
        members = Members(await read_object(request))
        rotate = members.integer("rotate", at_least=1, at_most=1)
        callbacks = members.word("callbacks", CALLBACKS, default="auto")
        members.done()
        self._platform.call_with(callbacks)  # type: ignore[arg-type]
        if rotate is not None:
            self._platform.rotate()
        return web.json_response(
            {"platform_serial": self._platform.newest_serial, "callbacks": callbacks}
        )

    def _own_order(self, code: str) -> Order | None:
        self._world.expiry.settle()
        order = self._world.book.order_by_code(code)
        return order if order is not None and order.channel == CHANNEL else None

    def _account_of(self, mchid: str) -> Account:
        account = self._accounts.get(mchid)
        if account is None:
            raise LookupError(f"there is no account {mchid}")
        return account

    def _is_fresh(self, timestamp: int) -> bool:
        """By real time, or by business time: bills are asked for by the clock that made them."""
        moments = (self._wall(), self._world.clock())
        return any(abs(int(each.timestamp()) - timestamp) < SKEW_S_MAX for each in moments)

    def _wall_s(self) -> int:
        return int(self._wall().timestamp())


_KINDS: Final = ("native", "jsapi", "h5", "app")

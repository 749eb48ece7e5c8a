"""The pretend Alipay: `gateway.do` with its signature and faults, its pages, and its payers.

Law: every answer to a proven sender is signed over the exact bytes of its node, in the mode that
the request came in; the others are unsigned (see `door`). HTTP status is always 200, as Alipay's.
A page (page.pay, wap.pay) leads the payer's browser on; the merchant is told by notification only.
"""

import asyncio
import base64
from collections.abc import Mapping
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.sandbox import keys
from gateway.sandbox.alipay import notices, wire
from gateway.sandbox.alipay.accounts import CHANNEL, Account, Accounts
from gateway.sandbox.alipay.authority import Authority
from gateway.sandbox.alipay.bills import Bills
from gateway.sandbox.alipay.call import Answer, Call, success
from gateway.sandbox.alipay.captures import Captures
from gateway.sandbox.alipay.door import Door, is_certified
from gateway.sandbox.alipay.hold_book import is_hold
from gateway.sandbox.alipay.holds import Holds
from gateway.sandbox.alipay.magic import payer_is_short
from gateway.sandbox.alipay.methods import (
    CAPTURE,
    FAULTS,
    OPERATIONS,
    ORDER_STRINGS,
    PAGES,
    Method,
)
from gateway.sandbox.alipay.orders import Orders, new_trade_no
from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.alipay.trades import Trades
from gateway.sandbox.alipay.transfers import Transfers
from gateway.sandbox.book import Notice, Order
from gateway.sandbox.channel import Described, PayerRefused, Played, World
from gateway.sandbox.connections import cut, hold
from gateway.sandbox.faults import Fault
from gateway.sandbox.moments import to_ms
from gateway.sandbox.notifications import Outgoing

PATH: Final = "/alipay/gateway.do"
RENEWAL_PATH: Final = "/alipay/certificate"
FORM: Final = "application/x-www-form-urlencoded"
APP_PRODUCT: Final = '"product_code":"QUICK_MSECURITY_PAY"'
CAPTURE_MARK: Final = '"auth_no"'
"""In the content of a trade.pay that takes money held before."""


class AlipaySimulator:
    """A `Simulator` (see `channel.py`)."""

    name: Final = CHANNEL
    operations: Final = FAULTS

    def __init__(self, world: World, *, close_locks_unscanned: bool) -> None:
        self._world = world
        private_pem = world.book.key(CHANNEL)
        if private_pem is None:
            private_pem = keys.new_private_pem()
            world.book.keep_key(CHANNEL, private_pem)
        self._key = keys.load_private(private_pem)
        self._authority = Authority(book=world.book, channel=CHANNEL, base=self._key)
        self._accounts = Accounts(book=world.book, clock=world.clock, authority=self._authority)
        self._door = Door(accounts=self._accounts, authority=self._authority)
        self._orders = Orders(
            book=world.book, expiry=world.expiry, postman=world.postman, clock=world.clock
        )
        self._holds = Holds(
            book=world.book,
            expiry=world.expiry,
            postman=world.postman,
            clock=world.clock,
            close_locks_unscanned=close_locks_unscanned,
        )
        self._captures = Captures(book=world.book, postman=world.postman, clock=world.clock)
        self._bills = Bills(book=world.book, clock=world.clock)
        self._methods = self._table(close_locks_unscanned)
        self._sandbox_url = ""

    def routes(self) -> list[web.RouteDef]:
        """`gateway.do` by POST and, as real clients also do, by GET; files; a new certificate."""
        return [
            web.post(PATH, self._gateway),
            web.get(PATH, self._gateway, allow_head=False),
            web.post(RENEWAL_PATH, self._renew),
            *self._bills.routes(),
        ]

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """What a client of either mode is configured with; raises `KeyRefused`."""
        account = self._accounts.open(merchant_public_key)
        app = self._accounts.certificate(account)
        _, own = self._authority.present
        return {
            "channel": CHANNEL,
            "app_id": account.app_id,
            "seller_id": account.seller_id,
            "alipay_public_key": keys.public_pem(self._key.public_key()),
            "app_cert": app.pem,
            "app_cert_sn": app.sn,
            "alipay_cert": own.pem,
            "alipay_cert_sn": own.sn,
            "alipay_root_cert": self._authority.root.pem,
            "alipay_root_cert_sn": self._authority.root.sn,
            "gateway_url": sandbox_url + PATH,
            "sign_type": "RSA2",
            "charset": "utf-8",
        }

    def play(self, order: Order, *, behaviour: str, amount: int | None) -> Played:
        """The payer scans the code, which begins the trade, then pays, declines or walks off."""
        if amount is not None and amount != order.amount:
            detail = "the code names its amount; leave it out or give the same"
            raise PayerRefused("amount_mismatch", detail, conflict=False)
        if order.status != "open":
            given = is_hold(order) and self._holds.is_given(order)
            word = "paid" if given else order.status
            raise PayerRefused(f"already_{word}", f"the order is {word}")
        account = self._accounts.holding(order.account_id)
        pays = behaviour == "pay" and not payer_is_short(order.amount)
        with self._world.book.change():
            if is_hold(order):
                order = self._holds.give(order, account, pays=pays)
            else:
                order = self._scan(order, account, pays=pays)
        result = "paid" if pays else "ignored" if behaviour == "ignore" else "declined"
        return Played(result, order.channel_order_no)

    def take(self, code: str) -> Order | None:
        """The order of a page's URL or of an app's order string (see `channel.Receiving`)."""
        text = code.strip()
        is_page = PATH + "?" in text
        query = text.partition("?")[2] if is_page else text
        if not is_page and "sign=" not in query:
            return self._brought_before(text)
        known = PAGES if is_page else ORDER_STRINGS
        try:
            call, method = self._read(wire.merged_parameters(query, b""), known)
            return self._orders.brought(call, method)
        except Refusal as refusal:
            if refusal.sub_code in ("ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_CLOSE"):
                word = "paid" if refusal.sub_code == "ACQ.TRADE_HAS_SUCCESS" else "closed"
                raise PayerRefused(f"already_{word}", f"the order is {word}") from None
            raise PayerRefused("order_refused", refusal.sub_code, conflict=False) from None

    def _brought_before(self, out_trade_no: str) -> Order | None:
        """The one order of this number that was brought by an app, if there is exactly one."""
        found = [
            order
            for app_id in self._accounts.app_ids
            if (order := self._world.book.order(CHANNEL, app_id, out_trade_no)) is not None
            and APP_PRODUCT in order.content
        ]
        return found[0] if len(found) == 1 else None

    def describe(self, order: Order) -> Described:
        """What the payer's phone shows."""
        account = self._accounts.holding(order.account_id)
        now_ms = to_ms(self._world.clock())
        back = notices.way_back(order, account, key=self._key, now_ms=now_ms)
        return Described("支付宝 Alipay", account.seller_id, notices.subject(order), back)

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """One signed sending."""
        now_ms = to_ms(self._world.clock())
        return notices.compose(
            notice, key=self._key, authority=self._authority, now_ms=now_ms, fault=fault
        )

    def accepts(self, status: int, body: bytes) -> bool:
        """Accepted is HTTP 200 and exactly the seven letters `success`."""
        return status == web.HTTPOk.status_code and body == b"success"

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        name = wire.ERROR_NODE
        self._sandbox_url = f"{request.scheme}://{request.host}"
        try:
            parameters = wire.merged_parameters(_raw_query(request), await _form_body(request))
            method = parameters.get("method", "")
            if method in PAGES:
                return self._page(parameters)
            if method in OPERATIONS:
                name = wire.node_name(method)
            account = self._door.sender(parameters)
        except Refusal as refusal:
            return _response(wire.envelope(name, wire.node_text(refusal.to_node()), None))
        return await self._operate(request, account, parameters, name)

    async def _operate(
        self, request: web.Request, account: Account, parameters: Mapping[str, str], name: str
    ) -> web.StreamResponse:
        certified = is_certified(parameters)
        method = parameters.get("method", "")
        try:
            if not method:
                raise Refusal("isv.missing-method", "method")
            call = self._door.call(
                account, parameters, method=method, known=frozenset(self._methods)
            )
        except Refusal as refusal:
            return self._signed(name, refusal.in_words_of(method).to_node(), None, certified)
        carry = self._methods[method]
        is_capture = carry.operation == "pay" and CAPTURE_MARK in parameters["biz_content"]
        fault = self._world.faults.take(CHANNEL, CAPTURE if is_capture else carry.operation)
        word = fault.fault if fault else None
        if word == "timeout":
            return await hold(request)
        if fault is not None and fault.delay_ms is not None:
            await asyncio.sleep(fault.delay_ms / 1_000)
        try:
            if word == "error":
                raise Refusal("ACQ.SYSTEM_ERROR")
            answer = self._captures.capture(call) if is_capture else carry.carry_out(call)
        except Refusal as refusal:
            answer = Answer(refusal.in_words_of(method).to_node())
        if answer.cut or word == "drop_after_effect":
            return cut(request)
        return self._signed(name, answer.node, fault, certified)

    def _page(self, parameters: Mapping[str, str]) -> web.StreamResponse:
        try:
            call, method = self._read(parameters, PAGES)
            order = self._orders.brought(call, method)
        except Refusal as refusal:
            text = f"<!doctype html><title>支付宝 Alipay</title><p>{escape(refusal.sub_code)}</p>"
            return _response(text.encode())
        location = f"/payer?{urlencode({'code': order.code or ''})}"
        return web.Response(status=web.HTTPFound.status_code, headers={"Location": location})

    def _read(self, parameters: Mapping[str, str], known: frozenset[str]) -> tuple[Call, str]:
        account = self._door.sender(parameters)
        method = parameters.get("method", "")
        return self._door.call(account, parameters, method=method, known=known), method

    def _scan(self, order: Order, account: Account, *, pays: bool) -> Order:
        book, now = self._world.book, to_ms(self._world.clock())
        if order.channel_order_no is None:
            book.scan(order, new_trade_no(now), now=now)
        if pays:
            book.pay(order, now=now)
        order = book.order_by_id(order.id)
        if pays and order.notify_url is not None:
            content = notices.payment_content(order, account)
            self._world.postman.post(order, url=order.notify_url, content=content)
        return order

    def _certificate(self, call: Call) -> Answer:
        sn = call.fields.required_text("alipay_cert_sn", chars_max=64)
        found = self._authority.find(sn)
        if found is None:
            raise Refusal("isv.invalid-parameter", "alipay_cert_sn")
        content = base64.b64encode(found.pem.encode("ascii")).decode("ascii")
        return Answer(success({"alipay_cert_content": content}))

    async def _renew(self, request: web.Request) -> web.StreamResponse:
        """Control: from now on Alipay signs with a new key where certificates are used."""
        return web.json_response({"alipay_cert_sn": self._authority.renew().sn})

    def _signed(
        self, name: str, node: Mapping[str, Any], fault: Fault | None, certified: bool
    ) -> web.StreamResponse:
        word = fault.fault if fault else None
        text = wire.node_text(notices.falsified(node) if word == "wrong_amount" else node)
        key, cert_sn = self._key, None
        if certified:
            key, certificate = self._authority.present
            cert_sn = certificate.sn
        sign = keys.sign(key, text.encode())
        sign = keys.falsified(sign) if word == "bad_signature" else sign
        return _response(wire.envelope(name, text, sign, cert_sn=cert_sn))

    def _table(self, close_locks_unscanned: bool) -> dict[str, Method]:
        world = self._world
        trades = Trades(
            book=world.book,
            expiry=world.expiry,
            postman=world.postman,
            clock=world.clock,
            close_locks_unscanned=close_locks_unscanned,
        )
        transfers = Transfers(book=world.book, clock=world.clock)
        carried_out = {
            "precreate": self._orders.precreate,
            "pay": self._orders.pay,
            "query": trades.query,
            "close": trades.close,
            "cancel": trades.cancel,
            "refund": trades.refund,
            "refund_query": trades.refund_query,
            "voucher": self._holds.voucher,
            "freeze": self._holds.freeze,
            "hold_query": self._holds.detail,
            "hold_cancel": self._holds.cancel,
            "unfreeze": self._holds.unfreeze,
            "transfer": transfers.transfer,
            "transfer_query": transfers.query,
            "statement": lambda call: self._bills.address(call, sandbox_url=self._sandbox_url),
            "certificate": self._certificate,
        }
        return {name: Method(word, carried_out[word]) for name, word in OPERATIONS.items()}


def _raw_query(request: web.Request) -> str:
    return request.raw_path.partition("?")[2]


async def _form_body(request: web.Request) -> bytes:
    body = await request.read()
    if body and request.content_type != FORM:
        raise Refusal("isv.invalid-parameter", f"the body must be {FORM}")
    return body


def _response(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="text/html", charset="utf-8")

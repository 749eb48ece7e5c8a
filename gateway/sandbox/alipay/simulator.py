"""The door of the pretend Alipay: `gateway.do`, its checks, its signature, its faults.

Law: nothing is looked at before the signature stands. A request whose sender is not proved
(unknown app, wrong signature, wrong charset or sign_type) is refused unsigned; every other
answer is signed over the exact bytes of its node. HTTP status is always 200, as Alipay's.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from gateway.sandbox import keys
from gateway.sandbox.alipay import notices, wire
from gateway.sandbox.alipay.accounts import CHANNEL, Account, Accounts
from gateway.sandbox.alipay.fields import Fields, beijing_moment
from gateway.sandbox.alipay.magic import PAYER_DECLINED_FEN
from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.alipay.trades import Answer, Trades, new_trade_no
from gateway.sandbox.book import Notice, Order
from gateway.sandbox.channel import Described, PayerRefused, Played, World
from gateway.sandbox.connections import cut, hold
from gateway.sandbox.faults import (
    AMOUNT_REQUEST_FAULTS,
    NOTIFICATION_FAULTS,
    REQUEST_FAULTS,
    Fault,
)
from gateway.sandbox.moments import to_ms
from gateway.sandbox.notifications import Outgoing, is_legal_url

PATH: Final = "/alipay/gateway.do"
FORM: Final = "application/x-www-form-urlencoded"
NOTIFY_URL_CHARS_MAX: Final = 256
SIGN_CHARS_MAX: Final = 344

OPERATIONS: Final = {
    "alipay.trade.precreate": "precreate",
    "alipay.trade.query": "query",
    "alipay.trade.close": "close",
    "alipay.trade.cancel": "cancel",
    "alipay.trade.refund": "refund",
    "alipay.trade.fastpay.refund.query": "refund_query",
}
"""Method -> operation, the word that faults use."""

FAULTS: Final = {
    "precreate": REQUEST_FAULTS,
    "query": AMOUNT_REQUEST_FAULTS,
    "close": REQUEST_FAULTS,
    "cancel": REQUEST_FAULTS,
    "refund": AMOUNT_REQUEST_FAULTS,
    "refund_query": AMOUNT_REQUEST_FAULTS,
    "notify": NOTIFICATION_FAULTS,
}


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
        self._accounts = Accounts(book=world.book, clock=world.clock)
        self._trades = Trades(
            book=world.book,
            expiry=world.expiry,
            postman=world.postman,
            clock=world.clock,
            close_locks_unscanned=close_locks_unscanned,
        )

    def routes(self) -> list[web.RouteDef]:
        """`gateway.do`, by POST and, as real clients also do, by GET."""
        return [
            web.post(PATH, self._gateway),
            web.get(PATH, self._gateway, allow_head=False),
        ]

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """What a client in public key mode is configured with; raises `KeyRefused`."""
        account = self._accounts.open(merchant_public_key)
        return {
            "channel": CHANNEL,
            "app_id": account.app_id,
            "seller_id": account.seller_id,
            "alipay_public_key": keys.public_pem(self._key.public_key()),
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
            raise PayerRefused(f"already_{order.status}", f"the order is {order.status}")
        account = self._account_of(order)
        book, now = self._world.book, to_ms(self._world.clock())
        with book.change():
            if order.channel_order_no is None:
                book.scan(order, new_trade_no(now), now=now)
            pays = behaviour == "pay" and order.amount != PAYER_DECLINED_FEN
            if pays:
                book.pay(order, now=now)
            order = book.order_by_id(order.id)
            if pays and order.notify_url is not None:
                content = notices.payment_content(order, account)
                self._world.postman.post(order, url=order.notify_url, content=content)
        result = "paid" if pays else "ignored" if behaviour == "ignore" else "declined"
        return Played(result, order.channel_order_no)

    def describe(self, order: Order) -> Described:
        """What the payer's phone shows."""
        subject = notices.subject(order)
        return Described("支付宝 Alipay", self._account_of(order).seller_id, subject)

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """One signed sending."""
        now_ms = to_ms(self._world.clock())
        return notices.compose(notice, key=self._key, now_ms=now_ms, fault=fault)

    def accepts(self, status: int, body: bytes) -> bool:
        """Accepted is HTTP 200 and exactly the seven letters `success`."""
        return status == web.HTTPOk.status_code and body == b"success"

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        name = wire.ERROR_NODE
        try:
            parameters = wire.merged_parameters(_raw_query(request), await _form_body(request))
            method = parameters.get("method", "")
            if method in OPERATIONS:
                name = wire.node_name(method)
            account = self._authenticated(parameters)
        except Refusal as refusal:
            return _response(wire.envelope(name, wire.node_text(refusal.to_node()), None))
        try:
            _check_common(parameters)
        except Refusal as refusal:
            return self._signed(name, refusal.to_node(), None)
        return await self._operate(request, account, parameters)

    async def _operate(
        self, request: web.Request, account: Account, parameters: Mapping[str, str]
    ) -> web.StreamResponse:
        method = parameters["method"]
        fault = self._world.faults.take(CHANNEL, OPERATIONS[method])
        word = fault.fault if fault else None
        if word == "timeout":
            return await hold(request)
        if fault is not None and fault.delay_ms is not None:
            await asyncio.sleep(fault.delay_ms / 1_000)
        try:
            if word == "error":
                raise Refusal("ACQ.SYSTEM_ERROR")
            answer = self._carry_out(method, account, parameters)
        except Refusal as refusal:
            answer = Answer(refusal.to_node())
        if answer.cut or word == "drop_after_effect":
            return cut(request)
        return self._signed(wire.node_name(method), answer.node, fault)

    def _carry_out(self, method: str, account: Account, parameters: Mapping[str, str]) -> Answer:
        fields = Fields(parameters["biz_content"])
        if method == "alipay.trade.precreate":
            return self._trades.precreate(account, fields, parameters.get("notify_url") or None)
        methods: dict[str, Callable[[Account, Fields], Answer]] = {
            "alipay.trade.query": self._trades.query,
            "alipay.trade.close": self._trades.close,
            "alipay.trade.cancel": self._trades.cancel,
            "alipay.trade.refund": self._trades.refund,
            "alipay.trade.fastpay.refund.query": self._trades.refund_query,
        }
        return methods[method](account, fields)

    def _authenticated(self, parameters: Mapping[str, str]) -> Account:
        app_id = _required(parameters, "app_id", "isv.missing-app-id")
        account = self._accounts.get(app_id)
        if account is None:
            raise Refusal("isv.invalid-app-id")
        if parameters.get("charset", "").lower() != "utf-8":
            raise Refusal("isv.invalid-charset")
        if _required(parameters, "sign_type", "isv.missing-signature-type") != "RSA2":
            raise Refusal("isv.invalid-signature-type")
        if parameters.get("encrypt_type"):
            raise Refusal("isv.invalid-encrypt-type")
        sign = _required(parameters, "sign", "isv.missing-signature")
        text = wire.request_text(parameters)
        right = len(sign) <= SIGN_CHARS_MAX and keys.verified(
            account.merchant_key, message=text, signature=sign
        )
        if not right:
            raise Refusal("isv.invalid-signature")
        return account

    def _account_of(self, order: Order) -> Account:
        account = self._accounts.get(order.account_id)
        if account is None:
            raise LookupError(f"order {order.id} has no account")
        return account

    def _signed(
        self, name: str, node: Mapping[str, Any], fault: Fault | None
    ) -> web.StreamResponse:
        word = fault.fault if fault else None
        text = wire.node_text(notices.falsified(node) if word == "wrong_amount" else node)
        sign = keys.sign(self._key, text.encode())
        return _response(
            wire.envelope(name, text, keys.falsified(sign) if word == "bad_signature" else sign)
        )


def _check_common(parameters: Mapping[str, str]) -> None:
    method = _required(parameters, "method", "isv.missing-method")
    if method not in OPERATIONS:
        raise Refusal("isv.invalid-method")
    timestamp = _required(parameters, "timestamp", "isv.missing-timestamp")
    if beijing_moment(timestamp) is None:
        raise Refusal("isv.invalid-timestamp")
    if _required(parameters, "version", "isv.missing-version") != "1.0":
        raise Refusal("isv.invalid-version")
    if parameters.get("format", "JSON").upper() != "JSON":
        raise Refusal("isv.invalid-format")
    if parameters.get("app_auth_token"):
        raise Refusal("aop.invalid-app-auth-token")
    notify_url = parameters.get("notify_url")
    if notify_url and not is_legal_url(notify_url, chars_max=NOTIFY_URL_CHARS_MAX):
        raise Refusal("isv.invalid-parameter", "notify_url")
    _required(parameters, "biz_content", "isv.missing-parameter")


def _required(parameters: Mapping[str, str], name: str, sub_code: str) -> str:
    value = parameters.get(name)
    if not value:
        raise Refusal(sub_code, name)
    return value


def _raw_query(request: web.Request) -> str:
    return request.raw_path.partition("?")[2]


async def _form_body(request: web.Request) -> bytes:
    body = await request.read()
    if body and request.content_type != FORM:
        raise Refusal("isv.invalid-parameter", f"the body must be {FORM}")
    return body


def _response(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="text/html", charset="utf-8")

"""The doors of the pretend UnionPay: their checks, their signature, their faults.

Law: nothing is looked at before the signature stands. A request whose sender is not proved
(unknown merchant or certificate, wrong signature) is refused unsigned; every other answer is
signed and carries the signing certificate. HTTP status is always 200, as UnionPay's, but for the
browser: its form leads to the payer's page or to a page that says why not.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property, partial
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.sandbox import keys
from gateway.sandbox.book import Notice, Order
from gateway.sandbox.channel import Described, PayerRefused, Played, World
from gateway.sandbox.connections import cut, hold
from gateway.sandbox.faults import (
    AMOUNT_REQUEST_FAULTS,
    NOTIFICATION_FAULTS,
    REQUEST_FAULTS,
)
from gateway.sandbox.moments import to_ms
from gateway.sandbox.notifications import Outgoing
from gateway.sandbox.unionpay import fields as read
from gateway.sandbox.unionpay import notices, settlement, wire
from gateway.sandbox.unionpay.accounts import CHANNEL, Account, Accounts
from gateway.sandbox.unionpay.authority import SERIAL_BITS, Authority
from gateway.sandbox.unionpay.magic import PAYER_DECLINED_FEN, SMS_CODE
from gateway.sandbox.unionpay.refusals import Refusal
from gateway.sandbox.unionpay.register import Register
from gateway.sandbox.unionpay.trades import HOLD_PREFIX, Cut, Trades

PATH: Final = "/unionpay/gateway/api/"
FORM: Final = "application/x-www-form-urlencoded"
SIGNATURE_CHARS_MAX: Final = 1_368  # of the longest key
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

FAULTS: Final = {
    "web": REQUEST_FAULTS - {"bad_signature"},
    "preauth": REQUEST_FAULTS - {"bad_signature"},
    "qr": REQUEST_FAULTS,
    "sms": REQUEST_FAULTS,
    "consume": REQUEST_FAULTS,
    "query": AMOUNT_REQUEST_FAULTS,
    "capture": AMOUNT_REQUEST_FAULTS,
    "void": REQUEST_FAULTS,
    "cancel": REQUEST_FAULTS,
    "refund": AMOUNT_REQUEST_FAULTS,
    "statement": REQUEST_FAULTS,
    "notify": NOTIFICATION_FAULTS,
}

Fields = Mapping[str, str]
Door = Mapping[tuple[str, str], read.Operation]


class UnionPaySimulator:
    """A `Simulator` (see `channel.py`)."""

    name: Final = CHANNEL
    operations: Final = FAULTS

    def __init__(self, world: World) -> None:
        self._world = world
        self._accounts = Accounts(book=world.book, clock=world.clock)
        self._register = Register(world.book)
        self._trades = Trades(
            book=world.book,
            register=self._register,
            expiry=world.expiry,
            postman=world.postman,
            clock=world.clock,
        )

    @cached_property
    def _authority(self) -> Authority:
        # Three keys take their time, so they are made when the first account is opened.
        return Authority(book=self._world.book, serial=_serial)

    def routes(self) -> list[web.RouteDef]:
        """The four doors, by POST."""
        return [
            web.post(PATH + "frontTransReq.do", self._front),
            web.post(PATH + "backTransReq.do", partial(self._back, read.BACK)),
            web.post(PATH + "queryTrans.do", partial(self._back, read.QUERY)),
            web.post(PATH + "fileTransfer.do", partial(self._back, read.FILES)),
        ]

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """What a client is configured with; raises `KeyRefused`."""
        account = self._accounts.open(merchant_public_key, self._authority)
        return {
            "channel": CHANNEL,
            "mer_id": account.mer_id,
            "cert_id": account.cert_id,
            "merchant_certificate": account.certificate,
            "root_certificate": self._authority.root.pem,
            "middle_certificate": self._authority.middle.pem,
            "gateway_url": sandbox_url + PATH,
            "sms_code": SMS_CODE,
        }

    def play(self, order: Order, *, behaviour: str, amount: int | None) -> Played:
        """The payer meets the order, then pays, is declined or walks off."""
        if amount is not None and amount != order.amount:
            detail = "the code names its amount; leave it out or give the same"
            raise PayerRefused("amount_mismatch", detail, conflict=False)
        if order.status != "open":
            raise PayerRefused(f"already_{order.status}", f"the order is {order.status}")
        is_short = order.amount == PAYER_DECLINED_FEN
        pays = behaviour == "pay" and not is_short
        declined = None if behaviour == "ignore" else "64" if is_short else "60"
        order = self._trades.pay(order, pays=pays, declined=declined)
        result = "paid" if pays else "ignored" if behaviour == "ignore" else "declined"
        return Played(result, order.channel_order_no)

    def describe(self, order: Order) -> Described:
        """What the payer's page shows."""
        asked = self._trades.asked(order)
        subject = asked.get("orderDesc", "")
        if order.out_trade_no.startswith(HOLD_PREFIX):
            subject = f"{subject} (预授权 hold)"
        return Described("银联 UnionPay", order.account_id, subject, asked.get("frontUrl"))

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """One signed sending."""
        return notices.compose(notice, authority=self._authority, fault=fault)

    def accepts(self, status: int, body: bytes) -> bool:
        """Accepted is HTTP 200 (or a redirect, as UnionPay takes it), whatever the body says."""
        return status in (web.HTTPOk.status_code, web.HTTPFound.status_code)

    # --- doors ------------------------------------------------------------------------------------

    async def _front(self, request: web.Request) -> web.StreamResponse:
        """A payer's browser brings a signed form."""
        try:
            fields = wire.read_form(await _form_body(request))
            account = self._authenticated(fields)
            operation = read.operation_of(fields, read.FRONT)
        except Refusal as refusal:
            return _page(refusal)

        async def act(fault: str | None) -> web.StreamResponse:
            if fault == "error":
                raise Refusal("04")
            code = self._trades.open_page(account, fields)
            query = urlencode({"code": code})
            return web.Response(status=302, headers={"Location": f"/payer?{query}"})

        return await self._disturbed(request, operation.word, act, _page)

    async def _back(self, door: Door, request: web.Request) -> web.StreamResponse:
        """A merchant's server asks."""
        fields: Fields = {}
        try:
            fields = wire.read_form(await _form_body(request))
            account = self._authenticated(fields)
        except Refusal as refusal:
            return _text({"respCode": refusal.code, "respMsg": refusal.text})
        try:
            operation = read.operation_of(fields, door)
        except Refusal as refusal:
            return self._answer(fields, refusal, None)

        async def act(fault: str | None) -> web.StreamResponse:
            if fault == "error":
                raise Refusal("04")
            found = self._carry_out(operation.word, account, fields)
            return self._answer(fields, found, fault)

        refuse = partial(self._answer, fields, fault=None)
        return await self._disturbed(request, operation.word, act, refuse)

    async def _disturbed(
        self,
        request: web.Request,
        word: str,
        act: Callable[[str | None], Awaitable[web.StreamResponse]],
        refuse: Callable[[Refusal], web.StreamResponse],
    ) -> web.StreamResponse:
        """Carry out one request with the fault that it drew."""
        fault = self._world.faults.take(CHANNEL, word)
        kind = fault.fault if fault else None
        if kind == "timeout":
            return await hold(request)
        if fault is not None and fault.delay_ms is not None:
            await asyncio.sleep(fault.delay_ms / 1_000)
        try:
            answer = await act(kind)
        except Cut:
            return cut(request)
        except Refusal as refusal:
            answer = refuse(refusal)
        return cut(request) if kind == "drop_after_effect" else answer

    def _carry_out(self, word: str, account: Account, fields: Fields) -> dict[str, str]:
        if word == "statement":
            now_ms = to_ms(self._world.clock())
            return settlement.statement(
                self._register, account.mer_id, fields["settleDate"], now_ms
            )
        operations: dict[str, Callable[[Account, Fields], dict[str, str]]] = {
            "qr": self._trades.make_qr,
            "sms": self._trades.send_sms,
            "consume": self._trades.consume,
            "capture": self._trades.capture,
            "refund": self._trades.refund,
            "cancel": self._trades.cancel,
            "void": self._trades.void,
            "query": self._trades.query,
        }
        return operations[word](account, fields)

    def _authenticated(self, fields: Fields) -> Account:
        """Who signed. Raises `Refusal`."""
        account = self._accounts.get(fields.get("merId", ""))
        if account is None:
            raise Refusal("10", "merId")
        if fields.get("version") != "5.1.0":
            raise Refusal("10", "version")
        if fields.get("encoding", "").upper() != "UTF-8":
            raise Refusal("10", "encoding")
        if fields.get("signMethod") != "01":
            raise Refusal("10", "signMethod")
        signature = fields.get(wire.SIGNATURE, "")
        right = (
            fields.get("certId") == account.cert_id
            and 0 < len(signature) <= SIGNATURE_CHARS_MAX
            and keys.verified(
                account.merchant_key, message=wire.signed_text(fields), signature=signature
            )
        )
        if not right:
            raise Refusal("11", "9100004")
        return account

    def _answer(
        self, fields: Fields, found: Mapping[str, str] | Refusal, fault: str | None
    ) -> web.Response:
        """A signed answer: what was asked, given back, and what was found."""
        given_back = {name: fields[name] for name in ANSWERED if fields.get(name)}
        if isinstance(found, Refusal):
            told = {"respCode": found.code, "respMsg": found.text}
        else:
            told = {"respCode": "00", "respMsg": "成功[0000000]", **found}
        return _text(notices.signed(given_back | told, authority=self._authority, fault=fault))


ANSWERED: Final = (*notices.ECHOED, "settleDate", "fileType")
"""Fields of a request that its answer gives back."""


def _serial() -> int:
    return 1 + secrets.randbits(SERIAL_BITS)


async def _form_body(request: web.Request) -> bytes:
    if request.content_type != FORM:
        raise Refusal("10", f"the body must be {FORM}")
    return await request.read()


def _text(fields: Mapping[str, str]) -> web.Response:
    return web.Response(body=wire.answer(fields), content_type="text/html", charset="utf-8")


def _page(refusal: Refusal) -> web.Response:
    text = (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>银联 UnionPay</title>'
        f"</head><body><p>{escape(refusal.text)} ({refusal.code})</p></body></html>"
    )
    return web.Response(
        text=text, content_type="text/html", charset="utf-8", status=400, headers=PAGE_HEADERS
    )

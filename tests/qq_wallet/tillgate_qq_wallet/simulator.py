"""A pretend QQ Wallet (unconfirmed, as the codec is).

Law: as `gateway.sandbox.channel`: nothing is looked at before the signature stands, and what it
answers is in its book before the answer leaves. Its signing code is its own.

Magic amount: 99999.99 yuan (9999999 fen) is refused with TRADE_OVER_LIMIT.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from defusedxml import ElementTree

from gateway.sandbox import keys
from gateway.sandbox.book import AccountRow, Notice, Order, Refund
from gateway.sandbox.channel import Described, PayerRefused, Played, World
from gateway.sandbox.connections import cut, hold
from gateway.sandbox.faults import AMOUNT_REQUEST_FAULTS, NOTIFICATION_FAULTS, REQUEST_FAULTS
from gateway.sandbox.moments import BEIJING, beijing_text, to_ms
from gateway.sandbox.notifications import Outgoing

CHANNEL = "qq_wallet"
PATH = "/qq_wallet/cgi-bin/pay/qpay_{operation}.cgi"
OVER_LIMIT_FEN = 9_999_999
LIFETIME_MS = 2 * 3_600_000
REQUIRED = {
    "unified_order": (
        "out_trade_no",
        "body",
        "total_fee",
        "spbill_create_ip",
        "notify_url",
        "trade_type",
    ),
    "order_query": ("out_trade_no",),
    "close_order": ("out_trade_no",),
    "refund": ("out_trade_no", "out_refund_no", "refund_fee", "op_user_id"),
    "refund_query": ("out_refund_no",),
}
AMOUNTS = ("total_fee", "cash_fee", "refund_fee", "refund_fee_0")

Members = dict[str, str]


class Refusal(Exception):
    """The operation is refused under a code of QQ Wallet's."""


class QqWalletSimulator:
    """A `Simulator` (see `gateway.sandbox.channel`)."""

    name = CHANNEL
    operations: Mapping[str, frozenset[str]] = {
        "unified_order": REQUEST_FAULTS,
        "order_query": AMOUNT_REQUEST_FAULTS,
        "close_order": REQUEST_FAULTS,
        "refund": AMOUNT_REQUEST_FAULTS,
        "refund_query": AMOUNT_REQUEST_FAULTS,
        "notify": NOTIFICATION_FAULTS,
    }

    def __init__(self, world: World) -> None:
        self._world = world
        self._book = world.book
        self._keys = {row.account_id: row.details["key"] for row in world.book.accounts(CHANNEL)}
        self._methods: dict[str, Callable[[Members], Members]] = {
            "unified_order": self._unified_order,
            "order_query": self._order_query,
            "close_order": self._close_order,
            "refund": self._refund,
            "refund_query": self._refund_query,
        }

    def routes(self) -> list[web.RouteDef]:
        """The doors of the protocol."""
        return [web.post(PATH, self._gateway)]

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """A merchant with a key of QQ Wallet's; the given key only tells whose it is."""
        mark = keys.fingerprint(keys.load_public(merchant_public_key))
        mch_id = self._book.account_of(CHANNEL, mark)
        if mch_id is None:
            mch_id, key = f"1{secrets.randbelow(10**9):09d}", secrets.token_hex(16)
            row = AccountRow(CHANNEL, mch_id, merchant_public_key, {"key": key})
            self._book.open_account(row, merchant_fingerprint=mark, now=self._now())
            self._keys[mch_id] = key
        return {
            "channel": CHANNEL,
            "mch_id": mch_id,
            "api_key": self._keys[mch_id],
            "gateway_url": sandbox_url + PATH.rpartition("/")[0],
        }

    def play(self, order: Order, *, behaviour: str, amount: int | None) -> Played:
        """The payer scans the code, then pays, declines or walks off."""
        if amount is not None and amount != order.amount:
            detail = "the code names its amount; leave it out or give the same"
            raise PayerRefused("amount_mismatch", detail, conflict=False)
        if order.status != "open":
            raise PayerRefused(f"already_{order.status}", f"the order is {order.status}")
        with self._book.change():
            if order.channel_order_no is None:
                number = f"{order.account_id}{secrets.randbelow(10**18):018d}"
                self._book.scan(order, number, now=self._now())
            if behaviour == "pay":
                self._book.pay(order, now=self._now())
            order = self._book.order_by_id(order.id)
            if behaviour == "pay" and order.notify_url is not None:
                content = json.dumps(self._facts(order))
                self._world.postman.post(order, url=order.notify_url, content=content)
        result = {"pay": "paid", "decline": "declined"}.get(behaviour, "ignored")
        return Played(result, order.channel_order_no)

    def describe(self, order: Order) -> Described:
        """What the payer's phone shows."""
        return Described("QQ钱包 QQ Wallet", order.account_id, json.loads(order.content)["body"])

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """One signed sending."""
        body = self._signed(notice.account_id, json.loads(notice.content), fault)
        return Outgoing({"Content-Type": "text/xml"}, body)

    def accepts(self, status: int, body: bytes) -> bool:
        """Accepted is HTTP 200 and the word SUCCESS."""
        return status == web.HTTPOk.status_code and b"<return_code>SUCCESS<" in body

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        if operation not in self._methods:
            raise web.HTTPNotFound
        message = _members(await request.read())
        key = self._keys.get(message.get("mch_id", ""))
        if key is None or not hmac.compare_digest(
            _sign(message, key).encode(), message.get("sign", "").encode()
        ):
            return _response(_xml({"return_code": "FAIL", "return_msg": "sign error"}))
        return await self._operate(request, operation, message)

    async def _operate(
        self, request: web.Request, operation: str, message: Members
    ) -> web.StreamResponse:
        fault = self._world.faults.take(CHANNEL, operation)
        word = fault.fault if fault else None
        if word == "timeout":
            return await hold(request)
        if fault is not None and fault.delay_ms is not None:
            await asyncio.sleep(fault.delay_ms / 1_000)
        answer = {"return_code": "SUCCESS", "result_code": "SUCCESS"}
        try:
            if word == "error":
                raise Refusal("SYSTEMERROR")
            if any(not message.get(name) for name in REQUIRED[operation]):
                raise Refusal("PARAM_ERROR")
            answer |= self._methods[operation](message)
        except Refusal as refusal:
            answer |= {"result_code": "FAIL", "err_code": str(refusal)}
        if word == "drop_after_effect":
            return cut(request)
        return _response(self._signed(message["mch_id"], answer, word))

    def _unified_order(self, message: Members) -> Members:
        known = self._book.order(CHANNEL, message["mch_id"], message["out_trade_no"])
        if known is None:
            amount = int(message["total_fee"])
            if amount == OVER_LIMIT_FEN:
                raise Refusal("TRADE_OVER_LIMIT")
            now = self._now()
            with self._book.change():
                self._book.add_order(
                    channel=CHANNEL,
                    account_id=message["mch_id"],
                    out_trade_no=message["out_trade_no"],
                    amount=amount,
                    currency="CNY",
                    code=f"https://qpay.qq.com/qr/{secrets.token_hex(8)}",
                    notify_url=message["notify_url"],
                    content=json.dumps({"body": message["body"]}),
                    now=now,
                    expires_at=_end_ms(message) or now + LIFETIME_MS,
                )
            self._world.expiry.watch()
            known = self._found(message)
        if known.status != "open" or known.amount != int(message["total_fee"]):
            raise Refusal("ORDERPAID" if known.status == "paid" else "ORDERCLOSED")
        return {"trade_type": message["trade_type"], "code_url": known.code or ""}

    def _order_query(self, message: Members) -> Members:
        return self._facts(self._found(message))

    def _close_order(self, message: Members) -> Members:
        order = self._found(message)
        if order.status == "paid":
            raise Refusal("ORDERPAID")
        if order.status == "open":
            with self._book.change():
                self._book.close_order(order, now=self._now())
        return {}

    def _refund(self, message: Members) -> Members:
        order, amount = self._found(message), int(message["refund_fee"])
        done = self._book.refund(order, message["out_refund_no"])
        if done is not None and done.amount != amount:
            raise Refusal("REFUND_REPEATED")
        if done is None:
            if order.status != "paid":
                raise Refusal("ORDERNOTPAID")
            if amount > order.amount - order.refunded:
                raise Refusal("REFUND_FEE_INVALID")
            with self._book.change():
                self._book.add_refund(
                    order, out_refund_no=message["out_refund_no"], amount=amount, now=self._now()
                )
        return {"out_refund_no": message["out_refund_no"], "refund_fee": str(amount)}

    def _refund_query(self, message: Members) -> Members:
        refund = self._refund_of(message["mch_id"], message["out_refund_no"])
        if refund is None:
            raise Refusal("REFUNDNOTEXIST")
        return {
            "refund_count": "1",
            "out_refund_no_0": refund.out_refund_no,
            "refund_fee_0": str(refund.amount),
            "refund_status_0": "SUCCESS",
        }

    def _refund_of(self, mch_id: str, refund_no: str) -> Refund | None:
        for row in self._book.shown(CHANNEL, mch_id)["refunds"]:
            if row["out_refund_no"] == refund_no:
                order = self._book.order(CHANNEL, mch_id, row["out_trade_no"])
                return None if order is None else self._book.refund(order, refund_no)
        return None

    def _found(self, message: Members) -> Order:
        self._world.expiry.settle()
        order = self._book.order(CHANNEL, message["mch_id"], message["out_trade_no"])
        if order is None:
            raise Refusal("ORDERNOTEXIST")
        return order

    def _facts(self, order: Order) -> Members:
        facts = {
            "out_trade_no": order.out_trade_no,
            "trade_state": {"open": "NOTPAY", "paid": "SUCCESS"}.get(order.status, "CLOSED"),
            "transaction_id": order.channel_order_no or "",
            "total_fee": str(order.amount),
            "fee_type": order.currency,
        }
        if order.refunded:
            facts["trade_state"] = "REFUND"
        if order.paid_at is not None:
            facts["time_end"] = "".join(c for c in beijing_text(order.paid_at) if c.isdigit())
        return facts

    def _signed(self, mch_id: str, message: Members, fault: str | None) -> bytes:
        if fault == "wrong_amount":
            message = {
                name: str(int(text) + 1) if name in AMOUNTS else text
                for name, text in message.items()
            }
        message = message | {"mch_id": mch_id, "nonce_str": secrets.token_hex(16)}
        sign = _sign(message, self._keys[mch_id])
        if fault == "bad_signature":
            sign = ("0" if sign[0] != "0" else "1") + sign[1:]
        return _xml(message | {"sign": sign})

    def _now(self) -> int:
        return to_ms(self._world.clock())


def _end_ms(message: Members) -> int | None:
    """When the order ends, if it says so."""
    text = message.get("time_expire")
    if not text:
        return None
    try:
        return to_ms(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING))
    except ValueError:
        raise Refusal("PARAM_ERROR") from None


def _sign(message: Members, key: str) -> str:
    parts = [f"{name}={message[name]}" for name in sorted(message) if message[name]]
    parts = [part for part in parts if not part.startswith("sign=")]
    text = "&".join([*parts, f"key={key}"])
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def _members(body: bytes) -> Members:
    try:
        root = ElementTree.fromstring(body, forbid_dtd=True)
    except Exception as error:
        raise web.HTTPBadRequest from error
    return {child.tag: child.text or "" for child in root}


def _xml(message: Members) -> bytes:
    # QQ Wallet is said to put every text into CDATA; a text that could end it is none of its own.
    inner = "".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in message.items())
    return f"<xml>{inner}</xml>".encode()


def _response(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="text/xml", charset="utf-8")

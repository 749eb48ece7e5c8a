"""The pretend Corner Pay, for `tillgate sandbox` and the conformance suite.

Law: as `gateway.sandbox.channel`: what it answers is in its book before the answer leaves; nothing
is looked at before the signature stands. Its signing code is its own, nothing of the codec's.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.sandbox import keys
from gateway.sandbox.book import AccountRow, Notice, Order
from gateway.sandbox.channel import Described, PayerRefused, Played, World
from gateway.sandbox.connections import cut, hold
from gateway.sandbox.faults import AMOUNT_REQUEST_FAULTS, NOTIFICATION_FAULTS, REQUEST_FAULTS
from gateway.sandbox.moments import to_ms
from gateway.sandbox.notifications import Outgoing

CHANNEL = "corner"
PATH = "/corner/v1"
LIMIT_FEN = 4_000_000


class Refusal(Exception):
    """The operation is refused under a code of Corner Pay's."""


class CornerSimulator:
    """A `Simulator` (see `gateway.sandbox.channel`)."""

    name = CHANNEL
    operations: Mapping[str, frozenset[str]] = {
        "create": REQUEST_FAULTS,
        "query": AMOUNT_REQUEST_FAULTS,
        "close": REQUEST_FAULTS,
        "refund": AMOUNT_REQUEST_FAULTS,
        "refund_query": AMOUNT_REQUEST_FAULTS,
        "notify": NOTIFICATION_FAULTS,
    }

    def __init__(self, world: World) -> None:
        self._world = world
        self._book = world.book
        self._secrets = {
            row.account_id: row.details["secret"] for row in world.book.accounts(CHANNEL)
        }

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self._gateway)]

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """A shop; the key only tells whose it is, since Corner Pay gives out secrets."""
        mark = keys.fingerprint(keys.load_public(merchant_public_key))
        shop_id = self._book.account_of(CHANNEL, mark)
        if shop_id is None:
            shop_id, secret = f"shop{secrets.randbelow(10**8):08d}", secrets.token_hex(32)
            row = AccountRow(CHANNEL, shop_id, merchant_public_key, {"secret": secret})
            self._book.open_account(row, merchant_fingerprint=mark, now=self._now())
            self._secrets[shop_id] = secret
        return {
            "channel": CHANNEL,
            "shop_id": shop_id,
            "shop_secret": self._secrets[shop_id],
            "gateway_url": sandbox_url + PATH,
        }

    def play(self, order: Order, *, behaviour: str, amount: int | None) -> Played:
        if order.status != "open":
            raise PayerRefused(f"already_{order.status}", f"the order is {order.status}")
        with self._book.change():
            if order.channel_order_no is None:
                self._book.scan(order, f"C{secrets.randbelow(10**16):016d}", now=self._now())
            if behaviour == "pay":
                self._book.pay(order, now=self._now())
            order = self._book.order_by_id(order.id)
            if behaviour == "pay":
                self._tell(order, {})
        result = {"pay": "paid", "decline": "declined"}.get(behaviour, "ignored")
        return Played(result, order.channel_order_no)

    def describe(self, order: Order) -> Described:
        return Described("Corner Pay", order.account_id, json.loads(order.content)["subject"])

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        message = json.loads(notice.content)
        if fault == "wrong_amount":
            message["amount"] += 1
        headers, body = self._signed(notice.account_id, message, fault)
        return Outgoing({**headers, "Content-Type": "application/json"}, body)

    def accepts(self, status: int, body: bytes) -> bool:
        return (status, body) == (200, b"ok")

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            message = json.loads(body)
            secret = self._secrets[message["shop_id"]]
        except (ValueError, TypeError, KeyError):
            return web.Response(status=400)
        right = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
        if not hmac.compare_digest(right, request.headers.get("Corner-Signature", "")):
            return web.Response(status=401)
        if message.get("operation") not in self.operations.keys() - {"notify"}:
            return web.Response(status=400)
        return await self._operate(request, message)

    async def _operate(self, request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        operation = message["operation"]
        fault = self._world.faults.take(CHANNEL, operation)
        word = fault.fault if fault else None
        if word == "timeout":
            return await hold(request)
        if fault is not None and fault.delay_ms is not None:
            await asyncio.sleep(fault.delay_ms / 1_000)
        answer: dict[str, Any] = {"operation": operation, "number": message["number"]}
        if word == "error":
            answer["result"] = "system_error"
        else:
            try:
                answer |= {"result": "ok", **getattr(self, f"_{operation}")(message)}
            except Refusal as refusal:
                answer["result"] = str(refusal)
        if word == "drop_after_effect":
            return cut(request)
        if word == "wrong_amount":
            answer["amount"] += 1
        headers, body = self._signed(message["shop_id"], answer, word)
        return web.Response(body=body, headers=headers, content_type="application/json")

    def _create(self, message: dict[str, Any]) -> dict[str, Any]:
        known = self._book.order(CHANNEL, message["shop_id"], message["number"])
        if known is None:
            if message["amount"] > LIMIT_FEN:
                raise Refusal("limit")
            with self._book.change():
                self._book.add_order(
                    channel=CHANNEL,
                    account_id=message["shop_id"],
                    out_trade_no=message["number"],
                    amount=message["amount"],
                    currency="CNY",
                    code=f"corner:{secrets.token_urlsafe(16)}",
                    notify_url=message["notify_url"],
                    content=json.dumps({"subject": message["subject"]}),
                    now=self._now(),
                    expires_at=message["expires_at"] * 1_000,
                )
            self._world.expiry.watch()
            known = self._order(message, "number")
        if known.status != "open":
            raise Refusal(f"already_{known.status}")
        return {"qr_code": known.code}

    def _query(self, message: dict[str, Any]) -> dict[str, Any]:
        return _facts(self._order(message, "number"))

    def _close(self, message: dict[str, Any]) -> dict[str, Any]:
        order = self._order(message, "number")
        if order.status == "open":
            with self._book.change():
                self._book.close_order(order, now=self._now())
        return _facts(self._order(message, "number"))

    def _refund(self, message: dict[str, Any]) -> dict[str, Any]:
        order = self._order(message, "order")
        done = self._book.refund(order, message["number"])
        if done is None:
            if order.status != "paid":
                raise Refusal("not_paid")
            if message["amount"] > order.amount - order.refunded:
                raise Refusal("too_much")
            with self._book.change():
                self._book.add_refund(
                    order,
                    out_refund_no=message["number"],
                    amount=message["amount"],
                    now=self._now(),
                )
                self._tell(order, {"refund_no": message["number"]})
        return self._refund_query(message)

    def _refund_query(self, message: dict[str, Any]) -> dict[str, Any]:
        refund = self._book.refund(self._order(message, "order"), message["number"])
        if refund is None:
            raise Refusal("not_found")
        return {"amount": refund.amount}

    def _order(self, message: dict[str, Any], name: str) -> Order:
        self._world.expiry.settle()
        order = self._book.order(CHANNEL, message["shop_id"], message[name])
        if order is None:
            raise Refusal("not_found")
        return order

    def _tell(self, order: Order, more: Mapping[str, str]) -> None:
        content = {"shop_id": order.account_id, "number": order.out_trade_no, **_facts(order)}
        if order.notify_url is not None:
            content_text = json.dumps(content | dict(more))
            self._world.postman.post(order, url=order.notify_url, content=content_text)

    def _signed(
        self, shop_id: str, message: Mapping[str, Any], fault: str | None
    ) -> tuple[dict[str, str], bytes]:
        body = json.dumps(message).encode()
        signature = hmac.digest(self._secrets[shop_id].encode(), body, hashlib.sha256)
        if fault == "bad_signature":
            signature = bytes([signature[0] ^ 1]) + signature[1:]
        return {"Corner-Signature": signature.hex()}, body

    def _now(self) -> int:
        return to_ms(self._world.clock())


def _facts(order: Order) -> dict[str, Any]:
    return {
        "state": order.status,
        "corner_no": order.channel_order_no,
        "amount": order.amount,
        "currency": order.currency,
    }

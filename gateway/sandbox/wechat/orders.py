"""Orders at the pretend WeChat Pay: five ways to make one; query, close, reverse.

Law: each method checks everything first, then changes the book once, then answers; what it answers
is in the book. An order exists from its making on (NOTPAY); the same content under the same number
again is answered the same, other content is refused. A payer's code (`codepay`) is charged at once
or waits for the payer's password, is used up by its order, and is ended by reverse only.

| trade_state | means |
|---|---|
| NOTPAY | made, not paid |
| USERPAYING, PAYERROR | a payer's code: the password is waited for; the payer failed or declined |
| SUCCESS, REFUND | paid; paid, and some of it was refunded |
| CLOSED | closed or expired unpaid |
| REVOKED | a payer's code that was reversed: never paid, or all of it given back |

Source: WeChat Pay API v3, /v3/pay/transactions/….
"""

import json
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from gateway.sandbox.book import Order
from gateway.sandbox.channel import World
from gateway.sandbox.moments import BEIJING, MILLISECOND, from_ms, to_ms
from gateway.sandbox.wechat import magic
from gateway.sandbox.wechat.accounts import Account, random_digits
from gateway.sandbox.wechat.fields import Fields
from gateway.sandbox.wechat.ledger import CHANNEL, Ledger
from gateway.sandbox.wechat.refusals import Refusal

DESCRIPTION_BYTES_MAX: Final = 127
ATTACH_BYTES_MAX: Final = 128
LIFETIME_MS: Final = timedelta(hours=2) // MILLISECOND
PAYER_OPENID: Final = "oSandboxPayer000000000000001"
CODE_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CODE_RANDOM_CHARS: Final = 9
REVERSE_PREFIX: Final = "reverse:"

TRADE_TYPES: Final = {
    "native": "NATIVE",
    "jsapi": "JSAPI",
    "h5": "MWEB",
    "app": "APP",
    "codepay": "MICROPAY",
}
STATE_TEXTS: Final = {
    "NOTPAY": "订单未支付",
    "USERPAYING": "用户支付中",
    "PAYERROR": "支付失败，请撤销订单",
    "SUCCESS": "支付成功",
    "REFUND": "转入退款",
    "CLOSED": "订单已关闭",
    "REVOKED": "已撤销",
}

_AUTH_CODE: Final = re.compile(r"1[0-5][0-9]{16}", re.ASCII)
_NOT_COMPARED: Final = frozenset({"notify_url"})


class Answer(NamedTuple):
    """What a method answers; no `body` for 204; `cut` when the connection is to be cut instead."""

    body: Mapping[str, Any] | None
    status: int = 200
    cut: bool = False


class Orders:
    """The methods. Each raises `Refusal` for what it does not do."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world = world
        self._book = world.book
        self._ledger = ledger

    def make(self, account: Account, kind: str, fields: Fields, *, origin: str) -> Answer:
        """Make an order that is paid later; `kind` is native, jsapi, h5 or app."""
        number, amount = _common(account, fields)
        notify_url = fields.notify_url(required=True)
        if kind == "jsapi":
            fields.inner("payer").required_text("openid", bytes_max=128)
        elif kind == "h5":
            scene = fields.inner("scene_info")
            _address(scene.required_text("payer_client_ip", bytes_max=45))
            scene.inner("h5_info").required_text("type", bytes_max=32)
        now = self._now()
        content = _content(kind, fields)
        known = self._book.order(CHANNEL, account.mchid, number)
        if known is not None:
            return self._made_before(known, kind, content, notify_url, origin)
        expires_at = fields.expiry_ms(now) or now + LIFETIME_MS
        if amount == magic.ORDER_DECLINED_FEN:
            raise Refusal("RULE_LIMIT")
        code = _new_code_url() if kind == "native" else _new_prepay_id(now)
        with self._book.change():
            self._book.add_order(
                channel=CHANNEL,
                account_id=account.mchid,
                out_trade_no=number,
                amount=amount,
                currency="CNY",
                code=code,
                notify_url=notify_url,
                content=content,
                now=now,
                expires_at=expires_at,
            )
        self._world.expiry.watch()
        return Answer(_made(kind, code, origin), cut=amount == magic.ORDER_CUT_FEN)

    def charge(self, account: Account, fields: Fields) -> Answer:
        """Charge a payer's code: at once, or after the payer's password."""
        number, amount = _common(account, fields)
        code = fields.inner("payer").required_text("auth_code", bytes_max=32)
        fields.inner("scene_info").inner("store_info")
        content = _content("codepay", fields)
        known = self._book.order(CHANNEL, account.mchid, number)
        if known is not None:
            return self._charged_before(account, known, content)
        used = self._book.order_by_code(code)
        if not _AUTH_CODE.fullmatch(code) or used or amount == magic.CODE_REFUSED_FEN:
            raise Refusal("AUTH_CODE_INVALID")
        if amount == magic.ORDER_DECLINED_FEN:
            raise Refusal("RULE_LIMIT")
        if amount == magic.PAYER_SHORT_FEN:
            raise Refusal("NOT_ENOUGH")
        now = self._now()
        with self._book.change():
            self._book.add_order(
                channel=CHANNEL,
                account_id=account.mchid,
                out_trade_no=number,
                amount=amount,
                currency="CNY",
                code=code,
                notify_url=None,
                content=content,
                now=now,
                expires_at=None,
            )
            order = self._order(account, number)
            if amount >= magic.PASSWORD_FEN_MIN:
                self._ledger.keep_state(order, "USERPAYING")
            else:
                order = self.pay(order)
        cut = amount == magic.ORDER_CUT_FEN
        return Answer(self.view(account, order), cut=cut)

    def query(self, account: Account, number: str) -> Answer:
        """The order under a merchant's number."""
        return Answer(self.view(account, self._order(account, number)))

    def query_by_id(self, account: Account, number: str) -> Answer:
        """The order under WeChat's number, which only paid ones have."""
        self._world.expiry.settle()
        order = self._book.order_by_channel_no(CHANNEL, account.mchid, number)
        if order is None:
            raise Refusal("ORDER_NOT_EXIST")
        return Answer(self.view(account, order))

    def close(self, account: Account, number: str) -> Answer:
        """Close an order that is not paid."""
        order = self._order(account, number)
        if trade_type(order) == "MICROPAY":
            raise Refusal("INVALID_REQUEST", "付款码支付请使用撤销")
        if order.status == "paid":
            raise Refusal("ORDERPAID")
        if order.status == "closed":
            raise Refusal("ORDER_CLOSED")
        with self._book.change():
            self._book.close_order(order, now=self._now())
        return Answer(None, status=204)

    def reverse(self, account: Account, number: str) -> Answer:
        """Undo a payer's code: close its order, or give back all of it. May be repeated."""
        order = self._order(account, number)
        if trade_type(order) != "MICROPAY":
            raise Refusal("INVALID_REQUEST", "只有付款码支付的订单可以撤销")
        if self._ledger.state(order) != "REVOKED":
            self._reverse(order)
        body = {"appid": account.appid, "mchid": account.mchid, "out_trade_no": number}
        return Answer(body)

    def _reverse(self, order: Order) -> None:
        now = self._now()
        with self._book.change():
            if order.status == "paid":
                if order.refunded:
                    raise Refusal("INVALID_REQUEST", "订单已退款")
                # A colon cannot occur in a merchant's number: no refund of theirs has this one.
                number = f"{REVERSE_PREFIX}{order.channel_order_no}"
                self._book.add_refund(order, out_refund_no=number, amount=order.amount, now=now)
                self._keep_reverse(order, number, now)
            elif order.status == "open":
                self._book.close_order(order, now=now)
            self._ledger.keep_state(order, "REVOKED")

    def _keep_reverse(self, order: Order, number: str, now: int) -> None:
        row = self._book.refund(order, number)
        self._ledger.add_refund(
            row.id if row else 0,
            account_id=order.account_id,
            out_refund_no=number,
            refund_no=new_refund_no(now),
            fate="SUCCESS",
            content="",
            notify_url=None,
            due_at=None,
            now=now,
        )

    # The payer

    def pay(self, order: Order) -> Order:
        """The payer pays; call it inside a change."""
        now = self._now()
        self._book.scan(order, _new_transaction_id(now), now=now)
        order = self._book.order_by_id(order.id)
        self._book.pay(order, now=now)
        self._ledger.keep_state(order, None)
        return self._book.order_by_id(order.id)

    def state_of(self, order: Order) -> str:
        """WeChat's word for the state of an order."""
        if order.status == "open":
            return self._ledger.state(order) or "NOTPAY"
        if trade_type(order) == "MICROPAY" and self._ledger.state(order) == "REVOKED":
            return "REVOKED"
        if order.status == "closed":
            return "CLOSED"
        return "REFUND" if order.refunded else "SUCCESS"

    def view(self, account: Account, order: Order) -> dict[str, Any]:
        """The order as query, notification and a charged code tell it."""
        return trade_view(account, order, self.state_of(order))

    def _order(self, account: Account, number: str) -> Order:
        self._world.expiry.settle()
        order = self._book.order(CHANNEL, account.mchid, number)
        if order is None:
            raise Refusal("ORDER_NOT_EXIST")
        return order

    def _made_before(
        self, order: Order, kind: str, content: str, notify_url: str | None, origin: str
    ) -> Answer:
        self._world.expiry.settle()
        order = self._book.order_by_id(order.id)
        if order.status == "paid":
            raise Refusal("ORDERPAID")
        if order.status == "closed":
            raise Refusal("ORDER_CLOSED")
        if order.content != content:
            raise Refusal("INVALID_REQUEST", "商户订单号重复，请求参数与首次请求时不一致")
        if notify_url != order.notify_url:
            # A merchant's address may change between two tries; it is no part of the order.
            with self._book.change():
                self._book.renotify(order, notify_url)
        return Answer(_made(kind, order.code or "", origin))

    def _charged_before(self, account: Account, order: Order, content: str) -> Answer:
        if order.content != content:
            raise Refusal("INVALID_REQUEST", "商户订单号重复，请求参数与首次请求时不一致")
        if self.state_of(order) == "REVOKED":
            raise Refusal("ORDER_CLOSED")
        return Answer(self.view(account, order))

    def _now(self) -> int:
        return to_ms(self._world.clock())


def trade_type(order: Order) -> str:
    """NATIVE, JSAPI, MWEB, APP or MICROPAY."""
    return str(json.loads(order.content)["_trade_type"])


def trade_view(account: Account, order: Order, state: str) -> dict[str, Any]:
    """An order as WeChat shows it; only a paid one names its transaction and payer."""
    content = json.loads(order.content)
    body: dict[str, Any] = {
        "appid": account.appid,
        "mchid": account.mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": state,
        "trade_state_desc": STATE_TEXTS[state],
        "amount": {"total": order.amount, "currency": "CNY"},
        "attach": content.get("attach", ""),
    }
    if order.paid_at is None:
        return body
    openid = content.get("payer", {}).get("openid", PAYER_OPENID)
    return body | {
        "transaction_id": order.channel_order_no,
        "trade_type": content["_trade_type"],
        "bank_type": "OTHERS",
        "success_time": rfc3339(order.paid_at),
        "payer": {"openid": openid},
        "amount": {
            "total": order.amount,
            "payer_total": order.amount,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
    }


def rfc3339(ms: int) -> str:
    """A business moment in Beijing, whole seconds."""
    return from_ms(ms).astimezone(BEIJING).replace(microsecond=0).isoformat()


def compact_day(ms: int) -> str:
    """`20261122` of a business moment in Beijing."""
    return from_ms(ms).astimezone(BEIJING).strftime("%Y%m%d")


def _common(account: Account, fields: Fields) -> tuple[str, int]:
    """Number and amount, after what every order has was checked."""
    appid = fields.required_text("appid", bytes_max=32)
    mchid = fields.required_text("mchid", bytes_max=32)
    if mchid != account.mchid:
        raise Refusal("PARAM_ERROR", "mchid is not the one that signed")
    if appid != account.appid:
        raise Refusal("APPID_MCHID_NOT_MATCH")
    fields.required_text("description", bytes_max=DESCRIPTION_BYTES_MAX)
    fields.text("attach", bytes_max=ATTACH_BYTES_MAX)
    amount = fields.inner("amount")
    amount.currency()
    return fields.required_number("out_trade_no"), amount.fen("total")


def _content(kind: str, fields: Fields) -> str:
    kept = Fields({**fields.members, "_trade_type": TRADE_TYPES[kind]})
    return kept.canonical(without=_NOT_COMPARED)


def _address(text: str) -> None:
    try:
        ip_address(text)
    except ValueError as error:
        raise Refusal("PARAM_ERROR", "payer_client_ip") from error


def _made(kind: str, code: str, origin: str) -> dict[str, Any]:
    if kind == "native":
        return {"code_url": code}
    if kind == "h5":
        return {"h5_url": f"{origin}/wechat/h5?prepay_id={code}&package=1"}
    return {"prepay_id": code}


def _new_code_url() -> str:
    random = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_RANDOM_CHARS))
    return f"weixin://wxpay/bizpayurl?pr={random}"


def _new_prepay_id(now: int) -> str:
    return f"wx{compact_day(now)[2:]}{secrets.token_hex(14)}"


def _new_transaction_id(now: int) -> str:
    """28 digits with the date in Beijing."""
    return "4200" + "001" + random_digits(3) + compact_day(now) + random_digits(10)


def new_refund_no(now: int) -> str:
    """29 digits with the date in Beijing."""
    return "5030" + random_digits(4) + compact_day(now) + random_digits(13)

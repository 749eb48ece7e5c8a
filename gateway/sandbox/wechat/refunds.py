"""Refunds at the pretend WeChat Pay.

Law: never more in sum than was paid, and a refund number takes effect once: the same content again
is answered with the refund as it is, other content is refused. A refund is done at once, or (magic
totals) PROCESSING for a while and then SUCCESS, ABNORMAL or CLOSED; its end is notified.

Source: WeChat Pay API v3, /v3/refund/domestic/refunds.
"""

from datetime import timedelta
from functools import partial
from typing import Any, Final

from gateway.sandbox.book import Order
from gateway.sandbox.channel import World
from gateway.sandbox.moments import MILLISECOND, from_ms, to_ms
from gateway.sandbox.wechat import magic, notices
from gateway.sandbox.wechat.accounts import Account, Accounts
from gateway.sandbox.wechat.fields import REFUND_NUMBER, Fields
from gateway.sandbox.wechat.ledger import CHANNEL, Ledger, RefundRow
from gateway.sandbox.wechat.orders import Answer, new_refund_no, rfc3339
from gateway.sandbox.wechat.refusals import Refusal

REASON_BYTES_MAX: Final = 80
REFUNDS_MAX: Final = 50
WINDOW_MS: Final = timedelta(days=365) // MILLISECOND
RECEIVED_BY: Final = "支付用户零钱"


class Refunds:
    """The methods. Each raises `Refusal` for what it does not do."""

    def __init__(self, world: World, ledger: Ledger, accounts: Accounts) -> None:
        self._world = world
        self._book = world.book
        self._ledger = ledger
        self._accounts = accounts

    def watch(self) -> None:
        """Enter in the agenda what an earlier run left under way."""
        for refund_id, due_ms in self._ledger.due_refunds():
            self._enter(refund_id, due_ms)

    def refund(self, account: Account, fields: Fields) -> Answer:
        """Give back part or all."""
        number = fields.required_number("out_refund_no", REFUND_NUMBER)
        fields.text("reason", bytes_max=REASON_BYTES_MAX)
        notify_url = fields.notify_url(required=False)
        amounts = fields.inner("amount")
        amount, total = amounts.fen("refund"), amounts.fen("total")
        amounts.currency()
        order = self._order(account, fields)
        content = fields.canonical(without=frozenset({"notify_url"}))
        known = self._ledger.refund(account.mchid, number)
        if known is not None:
            if known.content != content:
                raise Refusal("INVALID_REQUEST", "商户退款单号重复，参数与首次请求时不一致")
            return Answer(self._view(order, known))
        self._check(order, amount, total)
        now = self._now()
        fate = magic.REFUND_FATES.get(order.amount, "SUCCESS")
        due_at = now + magic.REFUND_SLOW_MS if order.amount in magic.REFUND_FATES else None
        with self._book.change():
            self._book.add_refund(order, out_refund_no=number, amount=amount, now=now)
            row = self._book.refund(order, number)
            refund = self._ledger.add_refund(
                row.id if row else 0,
                account_id=account.mchid,
                out_refund_no=number,
                refund_no=new_refund_no(now),
                fate=fate,
                content=content,
                notify_url=notify_url,
                due_at=due_at,
                now=now,
            )
            self._notify(account, order, refund)
        if due_at is not None:
            self._enter(refund.id, due_at)
        return Answer(self._view(order, refund))

    def query(self, account: Account, number: str) -> Answer:
        """One refund."""
        refund = self._ledger.refund(account.mchid, number)
        if refund is None:
            raise Refusal("RESOURCE_NOT_EXISTS")
        return Answer(self._view(self._book.order_by_id(refund.order_id), refund))

    def _order(self, account: Account, fields: Fields) -> Order:
        transaction_id = fields.number("transaction_id")
        out_trade_no = fields.number("out_trade_no")
        self._world.expiry.settle()
        order = None
        if transaction_id is not None:
            order = self._book.order_by_channel_no(CHANNEL, account.mchid, transaction_id)
        elif out_trade_no is not None:
            order = self._book.order(CHANNEL, account.mchid, out_trade_no)
        else:
            raise Refusal("PARAM_ERROR", "transaction_id and out_trade_no are missing")
        if order is None:
            raise Refusal("RESOURCE_NOT_EXISTS", "订单不存在")
        return order

    def _check(self, order: Order, amount: int, total: int) -> None:
        if order.status != "paid" or order.paid_at is None:
            raise Refusal("INVALID_REQUEST", "订单未支付")
        if total != order.amount:
            raise Refusal("INVALID_REQUEST", "订单金额与支付时不一致")
        if amount > order.amount - order.refunded:
            raise Refusal("INVALID_REQUEST", "退款金额超过可退金额")
        if self._now() - order.paid_at >= WINDOW_MS:
            raise Refusal("TRADE_OVERDUE")
        if self._ledger.refund_count(order) >= REFUNDS_MAX:
            raise Refusal("INVALID_REQUEST", "退款次数超过上限")

    def _enter(self, refund_id: int, due_ms: int) -> None:
        what = f"end of refund {refund_id}"
        self._world.agenda.add(from_ms(due_ms), what, partial(self._finish, refund_id))

    async def _finish(self, refund_id: int) -> None:
        refund = self._ledger.refund_by_id(refund_id)
        account = self._accounts.get(refund.account_id)
        if refund.due_at is None or account is None:
            return
        with self._book.change():
            refund = self._ledger.finish_refund(refund, now=self._now())
            self._notify(account, self._book.order_by_id(refund.order_id), refund)

    def _notify(self, account: Account, order: Order, refund: RefundRow) -> None:
        if refund.notify_url is None or refund.status == "PROCESSING":
            return
        content = notices.refund_content(account, order, refund, now_ms=self._now())
        self._world.postman.post(order, url=refund.notify_url, content=content)

    def _view(self, order: Order, refund: RefundRow) -> dict[str, Any]:
        body: dict[str, Any] = {
            "refund_id": refund.refund_no,
            "out_refund_no": refund.out_refund_no,
            "transaction_id": order.channel_order_no,
            "out_trade_no": order.out_trade_no,
            "channel": "ORIGINAL",
            "user_received_account": RECEIVED_BY,
            "create_time": rfc3339(refund.created_at),
            "status": refund.status,
            "funds_account": "AVAILABLE",
            "amount": {
                "total": order.amount,
                "refund": refund.amount,
                "payer_total": order.amount,
                "payer_refund": refund.amount,
                "settlement_refund": refund.amount,
                "settlement_total": order.amount,
                "discount_refund": 0,
                "currency": "CNY",
            },
        }
        if refund.status == "SUCCESS" and refund.finished_at is not None:
            body["success_time"] = rfc3339(refund.finished_at)
        return body

    def _now(self) -> int:
        return to_ms(self._world.clock())

"""The operations of the pretend UnionPay, over its book and register.

Law: each operation checks everything first, then changes the book once, then answers; what it
answers is in the book. 00 to a trade that moves money says that it was taken; here it is done at
the same moment, but only a query or a notification says so. UnionPay closes no order: it can be
paid until `payTimeout`. Refunds never exceed what was paid; a hold is captured once or voided.

An order of the book whose number begins with `hold:` is money held, no charge; its capture is an
order of its own, under the capture's number.

Source: UnionPay, acp 5.1.0, products "gateway pay", "QR code pay", "pay without redirect".
"""

import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from gateway.sandbox.book import Book, Order
from gateway.sandbox.expiry import Expiry
from gateway.sandbox.moments import MILLISECOND, Clock, to_ms
from gateway.sandbox.notifications import Postman
from gateway.sandbox.unionpay import fields as read
from gateway.sandbox.unionpay.accounts import CHANNEL, Account, random_digits
from gateway.sandbox.unionpay.magic import (
    PAYER_DECLINED_FEN,
    QR_CUT_FEN,
    REFUSED_FEN,
    SMS_CODE,
    SMS_TRIES_MAX,
)
from gateway.sandbox.unionpay.notices import notice_content
from gateway.sandbox.unionpay.refusals import TEXTS, Refusal
from gateway.sandbox.unionpay.register import CAPTURED, DONE, VOIDED, WAITING, Register, Trade

HOLD_PREFIX: Final = "hold:"
ORDER_LIFETIME_MS: Final = timedelta(hours=2) // MILLISECOND
"""An order that names no `payTimeout` lives this long."""
HOLD_MS: Final = timedelta(days=30) // MILLISECOND
REFUND_WINDOW_MS: Final = timedelta(days=330) // MILLISECOND
QR_PREFIX: Final = "https://qr.95516.com/00010000/"
PAGE_PREFIX: Final = "https://cashier.95516.com/b2c/?tn="
CODE_DIGITS: Final = 32

Fields = Mapping[str, str]


class Cut(Exception):
    """The request took effect, and its answer is to be lost."""


class Trades:
    """The operations. Each raises `Refusal` for what it does not do."""

    def __init__(
        self,
        *,
        book: Book,
        register: Register,
        expiry: Expiry,
        postman: Postman,
        clock: Clock,
    ) -> None:
        self._book = book
        self._register = register
        self._expiry = expiry
        self._postman = postman
        self._clock = clock

    # --- orders that a payer meets ----------------------------------------------------------------

    def open_page(self, account: Account, fields: Fields) -> str:
        """The code of the payer's page for a signed form; the same order again has the same."""
        return self._open(account, fields, PAGE_PREFIX)

    def make_qr(self, account: Account, fields: Fields) -> dict[str, str]:
        """Make a QR code for an order; the same order again gives the same code."""
        amount = int(fields["txnAmt"])
        known = self._register.find(account.mer_id, fields["orderId"])
        if known is None and amount == REFUSED_FEN:
            raise Refusal("33")
        code = self._open(account, fields, QR_PREFIX)
        if known is None and amount == QR_CUT_FEN:
            raise Cut
        return {"qrCode": code}

    def _open(self, account: Account, fields: Fields, prefix: str) -> str:
        known = self._register.find(account.mer_id, fields["orderId"])
        if known is not None:
            if known.content != read.content_of(fields):
                raise Refusal("12")
            return self._book.order_by_id(known.order_row).code or ""
        now = self._now()
        expires_at = now + ORDER_LIFETIME_MS
        if "payTimeout" in fields:
            expires_at = read.beijing_ms(fields["payTimeout"]) or 0
        if expires_at <= now:
            raise Refusal("10", "payTimeout")
        code = prefix + random_digits(CODE_DIGITS)
        with self._book.change():
            self._add(account, fields, code=code, expires_at=expires_at, now=now)
        self._expiry.watch()
        return code

    def asked(self, order: Order) -> dict[str, str]:
        """The request that made an order."""
        asked: dict[str, str] = json.loads(order.content)
        return asked

    def pay(self, order: Order, *, pays: bool, declined: str | None) -> Order:
        """The payer acts on a page or QR code: pays, is declined with a code, or looks only."""
        now = self._now()
        trade = self._register.of_order(order.id)
        with self._book.change():
            if order.channel_order_no is None:
                self._book.scan(order, new_query_id(now), now=now)
                order = self._book.order_by_id(order.id)
            if pays:
                self._finish(trade, order, now)
            elif declined is not None:
                self._register.failed(trade, declined)
        return self._book.order_by_id(order.id)

    # --- quick pay --------------------------------------------------------------------------------

    def send_sms(self, account: Account, fields: Fields) -> dict[str, str]:
        """Send the payer a code (always the same one)."""
        if self._register.find(account.mer_id, fields["orderId"]) is not None:
            raise Refusal("12")
        if int(fields["txnAmt"]) == REFUSED_FEN:
            raise Refusal("33")
        sent = self._register.sms(account.mer_id, fields["orderId"])
        told = (fields["txnTime"], int(fields["txnAmt"]), read.payer(fields))
        if sent is not None and (sent.txn_time, sent.amount, sent.payer) != told:
            raise Refusal("12")
        with self._book.change():
            self._register.send_sms(
                account.mer_id,
                fields["orderId"],
                txn_time=told[0],
                amount=told[1],
                payer=told[2],
            )
        return {}

    def consume(self, account: Account, fields: Fields) -> dict[str, str]:
        """Pay with the code by SMS. The failed try of an order may be repeated."""
        number = fields["orderId"]
        sent = self._register.sms(account.mer_id, number)
        told = (fields["txnTime"], int(fields["txnAmt"]), read.payer(fields))
        if sent is None or (sent.txn_time, sent.amount, sent.payer) != told:
            raise Refusal("36", "no code was sent for this")
        known = self._register.find(account.mer_id, number)
        if known is not None and known.state == DONE:
            raise Refusal("12")
        if sent.tries >= SMS_TRIES_MAX:
            raise Refusal("37")
        now = self._now()
        if read.customer(fields).get("smsCode") != SMS_CODE:
            with self._book.change():
                self._register.count_wrong(account.mer_id, number)
            raise Refusal("71")
        with self._book.change():
            if known is None:
                self._add(account, fields, code=None, expires_at=None, now=now)
            trade = self._trade(account, number)
            order = self._book.order_by_id(trade.order_row)
            if order.channel_order_no is None:
                self._book.scan(order, new_query_id(now), now=now)
                order = self._book.order_by_id(order.id)
            if trade.amount != PAYER_DECLINED_FEN:
                self._finish(trade, order, now)
            else:
                self._register.failed(trade, "64")
        if trade.amount == PAYER_DECLINED_FEN:
            raise Refusal("64")
        return {"queryId": order.channel_order_no or ""}

    # --- what follows -----------------------------------------------------------------------------

    def query(self, account: Account, fields: Fields) -> dict[str, str]:
        """The state of any trade; nobody has met a QR code that was not scanned."""
        self._expiry.settle()
        trade = self._register.find(account.mer_id, fields["orderId"])
        if trade is None or trade.txn_time != fields["txnTime"]:
            raise Refusal("34")
        order = self._book.order_by_id(trade.order_row)
        asked = json.loads(trade.content)
        is_code = asked["txnSubType"] == "07"
        if is_code and order.scanned_at is None:
            raise Refusal("34")
        state = "69" if trade.state == WAITING and order.status == "closed" else trade.state
        shown = {
            "origRespCode": state,
            "origRespMsg": TEXTS[state],
            "txnType": trade.txn_type,
            "txnSubType": asked["txnSubType"],
            "txnAmt": str(trade.amount),
            "currencyCode": "156",
            "issuerIdentifyMode": "0",
        }
        if trade.query_id is not None and trade.done_at is not None:
            shown |= settled(trade)
        if "reqReserved" in asked:
            shown["reqReserved"] = asked["reqReserved"]
        return shown

    def refund(self, account: Account, fields: Fields) -> dict[str, str]:
        """Give back all or part."""
        order, _ = self._original(account, fields, ("01", "03"))
        amount = int(fields["txnAmt"])
        now = self._now()
        if order.refunded == order.amount:
            raise Refusal("45")
        if order.status != "paid" or now - (order.paid_at or 0) > REFUND_WINDOW_MS:
            raise Refusal("35")
        if amount > order.amount - order.refunded:
            raise Refusal("36", "txnAmt")
        return self._give_back(account, fields, order, now)

    def cancel(self, account: Account, fields: Fields) -> dict[str, str]:
        """Void a payment wholly, on its own day."""
        order, original = self._original(account, fields, ("01",))
        now = self._now()
        if order.refunded == order.amount:
            raise Refusal("45")
        paid_day = read.beijing_digits(order.paid_at or 0)[:8]
        if order.refunded or paid_day != read.beijing_digits(now)[:8]:
            raise Refusal("35")
        if int(fields["txnAmt"]) != original.amount:
            raise Refusal("36", "txnAmt")
        return self._give_back(account, fields, order, now)

    def capture(self, account: Account, fields: Fields) -> dict[str, str]:
        """Take what was held, or part of it; the rest is let go."""
        order, hold = self._original(account, fields, ("02",))
        amount = int(fields["txnAmt"])
        now = self._now()
        if hold.undone or now - (order.paid_at or 0) > HOLD_MS:
            raise Refusal("35")
        if amount > hold.amount:
            raise Refusal("36", "txnAmt")
        with self._book.change():
            self._register.undo(hold, CAPTURED)
            self._add(account, fields, code=None, expires_at=None, now=now)
            trade = self._trade(account, fields["orderId"])
            captured = self._book.order_by_id(trade.order_row)
            self._book.scan(captured, new_query_id(now), now=now)
            captured = self._book.order_by_id(captured.id)
            self._finish(trade, captured, now)
        return {"queryId": captured.channel_order_no or ""}

    def void(self, account: Account, fields: Fields) -> dict[str, str]:
        """Let go of a hold."""
        order, hold = self._original(account, fields, ("02",))
        if hold.undone:
            raise Refusal("35" if hold.undone == CAPTURED else "45")
        if int(fields["txnAmt"]) != hold.amount:
            raise Refusal("36", "txnAmt")
        with self._book.change():
            self._register.undo(hold, VOIDED)
            return self._record(account, fields, order, self._now())

    # --- the register -----------------------------------------------------------------------------

    def _original(
        self, account: Account, fields: Fields, kinds: tuple[str, ...]
    ) -> tuple[Order, Trade]:
        """The order and trade that a request is about; its own number must be new."""
        if self._register.find(account.mer_id, fields["orderId"]) is not None:
            raise Refusal("12")
        trade = self._register.by_query_id(account.mer_id, fields["origQryId"])
        if trade is None or trade.txn_type not in kinds or trade.state != DONE:
            raise Refusal("35")
        return self._book.order_by_id(trade.order_row), trade

    def _add(
        self,
        account: Account,
        fields: Fields,
        *,
        code: str | None,
        expires_at: int | None,
        now: int,
    ) -> None:
        """Write an order and its trade, inside a change."""
        number = fields["orderId"]
        holds = fields["txnType"] == "02"
        self._book.add_order(
            channel=CHANNEL,
            account_id=account.mer_id,
            out_trade_no=HOLD_PREFIX + number if holds else number,
            amount=int(fields["txnAmt"]),
            currency="CNY",
            code=code,
            notify_url=fields["backUrl"],
            content=read.request_of(fields),
            now=now,
            expires_at=expires_at,
        )
        order = self._book.order(CHANNEL, account.mer_id, HOLD_PREFIX + number if holds else number)
        self._write(account, fields, order_row=order.id if order else 0, now=now)

    def _write(self, account: Account, fields: Fields, *, order_row: int, now: int) -> None:
        self._register.add(
            account_id=account.mer_id,
            order_id=fields["orderId"],
            txn_time=fields["txnTime"],
            txn_type=fields["txnType"],
            content=read.content_of(fields),
            amount=int(fields["txnAmt"]),
            order_row=order_row,
            now=now,
        )

    def _finish(self, trade: Trade, order: Order, now: int) -> None:
        """The order is paid (or held); tell the merchant."""
        self._book.pay(order, now=now)
        self._register.done(trade, order.channel_order_no or "", now=now)
        self._tell(trade.account_id, trade.order_id, order, order.notify_url)

    def _give_back(
        self, account: Account, fields: Fields, order: Order, now: int
    ) -> dict[str, str]:
        amount = int(fields["txnAmt"])
        with self._book.change():
            self._book.add_refund(order, out_refund_no=fields["orderId"], amount=amount, now=now)
            return self._record(account, fields, order, now)

    def _record(self, account: Account, fields: Fields, order: Order, now: int) -> dict[str, str]:
        """Write a trade that is done at once, inside a change; tell the merchant."""
        query_id = new_query_id(now)
        self._write(account, fields, order_row=order.id, now=now)
        self._register.done(self._trade(account, fields["orderId"]), query_id, now=now)
        self._tell(account.mer_id, fields["orderId"], order, fields["backUrl"])
        return {"queryId": query_id, "origQryId": fields["origQryId"]}

    def _tell(self, mer_id: str, number: str, order: Order, url: str | None) -> None:
        trade = self._register.find(mer_id, number)
        if trade is not None and url is not None:
            content = notice_content(trade, settled(trade))
            self._postman.post(order, url=url, content=content)

    def _trade(self, account: Account, number: str) -> Trade:
        trade = self._register.find(account.mer_id, number)
        if trade is None:
            raise LookupError(f"no trade {number}")
        return trade

    def _now(self) -> int:
        return to_ms(self._clock())


def settled(trade: Trade) -> dict[str, str]:
    """The fields that a trade has once it is done."""
    done = read.beijing_digits(trade.done_at or 0)
    return {
        "queryId": trade.query_id or "",
        "traceNo": (trade.query_id or "")[-6:],
        "traceTime": done[4:],
        "settleDate": done[4:8],
        "settleAmt": str(trade.amount),
        "settleCurrencyCode": "156",
    }


def new_query_id(now: int) -> str:
    """21 digits that begin with the time in Beijing."""
    return read.beijing_digits(now) + str(secrets.randbelow(10**7)).zfill(7)

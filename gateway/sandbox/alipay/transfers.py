"""Transfers of the pretend Alipay: money from a merchant to somebody's account.

Law: one number of a merchant is one transfer: the same content again answers what became of it,
other content is refused. What takes its time is settled by the business clock when it is looked at.
In certificate mode only, as in reality (the gateway sees to it).

Source: Alipay OpenAPI, alipay.fund.trans.{uni.transfer,common.query}.
"""

import json
import re
from typing import Any, Final

from gateway.sandbox.alipay.accounts import CHANNEL, random_digits
from gateway.sandbox.alipay.call import Answer, Call, success
from gateway.sandbox.alipay.fields import yuan
from gateway.sandbox.alipay.magic import (
    TRANSFER_FAILS_FEN,
    TRANSFER_REFUSED_FEN,
    TRANSFER_RETURNS_FEN,
    TRANSFER_SLOW_FEN,
    TRANSFER_TAKES_MS,
)
from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.book import Book
from gateway.sandbox.moments import Clock, beijing_text, to_ms
from gateway.sandbox.transfers import (
    FAILED,
    PROCESSING,
    RETURNED,
    SUCCEEDED,
    Transfer,
    TransferBook,
)

AMOUNT_FEN_MIN: Final = 10
NAME_CHARS_MAX: Final = 128
IDENTITIES: Final = {
    "ALIPAY_USER_ID": re.compile(r"2088[0-9]{12}", re.ASCII),
    "ALIPAY_LOGON_ID": re.compile(r"\S{5,192}"),
    "ALIPAY_OPEN_ID": re.compile(r"[0-9A-Za-z_-]{8,128}", re.ASCII),
}
STATUSES: Final = {
    PROCESSING: "DEALING",
    SUCCEEDED: "SUCCESS",
    FAILED: "FAIL",
    RETURNED: "REFUND",
}
FAILURE: Final = ("PAYEE_ACCOUNT_STATUS_ERROR", "收款方账号状态异常")


class Transfers:
    """The methods. Each raises `Refusal` for what it does not do."""

    def __init__(self, *, book: Book, clock: Clock) -> None:
        self._book = book
        self._transfers = TransferBook(book)
        self._clock = clock

    def transfer(self, call: Call) -> Answer:
        """Send money."""
        number = call.fields.required_number("out_biz_no")
        amount = call.fields.fen("trans_amount")
        payee = _payee(call.fields.members.get("payee_info"))
        self._check_product(call)
        known = self._transfers.get(CHANNEL, call.account.app_id, number)
        if known is not None:
            if known.content != call.content():
                raise Refusal("PAYMENT_INFO_INCONSISTENCY")
            return Answer(success(_brief(self._settled(known))))
        if amount < AMOUNT_FEN_MIN:
            raise Refusal("EXCEED_LIMIT_SM_MIN_AMOUNT")
        if amount == TRANSFER_REFUSED_FEN:
            raise Refusal("PAYER_BALANCE_NOT_ENOUGH")
        now = to_ms(self._clock())
        is_slow = amount in (TRANSFER_SLOW_FEN, TRANSFER_FAILS_FEN)
        with self._book.change():
            self._transfers.add(
                channel=CHANNEL,
                account_id=call.account.app_id,
                out_transfer_no=number,
                channel_order_no=beijing_text(now)[:10].replace("-", "") + random_digits(20),
                amount=amount,
                currency="CNY",
                payee=payee,
                status=PROCESSING if is_slow else SUCCEEDED,
                content=call.content(),
                now=now,
            )
        made = self._transfers.get(CHANNEL, call.account.app_id, number)
        if made is None:
            raise LookupError("the transfer that was just written is not there")
        return Answer(success(_brief(made)))

    def query(self, call: Call) -> Answer:
        """What became of a transfer."""
        number = call.fields.number("out_biz_no")
        order_no = call.fields.number("order_id") or call.fields.number("pay_fund_order_id")
        if order_no is not None:
            found = self._transfers.get_by_channel_no(CHANNEL, call.account.app_id, order_no)
        elif number is not None:
            self._check_product(call)
            found = self._transfers.get(CHANNEL, call.account.app_id, number)
        else:
            raise Refusal("ACQ.INVALID_PARAMETER", "out_biz_no and order_id are missing")
        if found is None:
            raise Refusal("ORDER_NOT_EXIST")
        found = self._settled(found)
        node = _names(found) | {
            "status": STATUSES[found.status],
            "trans_amount": yuan(found.amount),
            "order_fee": "0.00",
        }
        if found.settled_at is not None:
            node["pay_date"] = beijing_text(found.settled_at)
        if found.status == FAILED:
            node["error_code"], node["fail_reason"] = FAILURE
        return Answer(success(node))

    def _check_product(self, call: Call) -> None:
        members = call.fields.members
        if members.get("product_code") != "TRANS_ACCOUNT_NO_PWD":
            raise Refusal("ACQ.INVALID_PARAMETER", "product_code")
        if members.get("biz_scene") != "DIRECT_TRANSFER":
            raise Refusal("ACQ.INVALID_PARAMETER", "biz_scene")

    def _settled(self, transfer: Transfer) -> Transfer:
        """The transfer, after what its amount and the time say became of it."""
        now = to_ms(self._clock())
        if now - transfer.created_at < TRANSFER_TAKES_MS:
            return transfer
        status = None
        if transfer.status == PROCESSING:
            status = FAILED if transfer.amount == TRANSFER_FAILS_FEN else SUCCEEDED
        elif transfer.status == SUCCEEDED and transfer.amount == TRANSFER_RETURNS_FEN:
            status = RETURNED
        if status is None:
            return transfer
        with self._book.change():
            self._transfers.settle(transfer, status, now=now)
        found = self._transfers.get(CHANNEL, transfer.account_id, transfer.out_transfer_no)
        return found or transfer


def _payee(info: Any) -> str:
    if not isinstance(info, dict):
        raise Refusal("ACQ.INVALID_PARAMETER", "payee_info must be an object")
    identity, kind, name = (info.get(k) or "" for k in ("identity", "identity_type", "name"))
    pattern = IDENTITIES.get(kind) if isinstance(kind, str) else None
    if pattern is None:
        raise Refusal("ACQ.INVALID_PARAMETER", "identity_type")
    if not isinstance(identity, str) or pattern.fullmatch(identity) is None:
        raise Refusal("PAYEE_NOT_EXIST")
    if not isinstance(name, str) or len(name) > NAME_CHARS_MAX:
        raise Refusal("ACQ.INVALID_PARAMETER", "name")
    if kind == "ALIPAY_LOGON_ID" and not name:
        raise Refusal("ACQ.INVALID_PARAMETER", "name is missing")
    return json.dumps({"identity": identity, "identity_type": kind}, sort_keys=True)


def _names(transfer: Transfer) -> dict[str, Any]:
    return {
        "out_biz_no": transfer.out_transfer_no,
        "order_id": transfer.channel_order_no,
        "pay_fund_order_id": transfer.channel_order_no,
    }


def _brief(transfer: Transfer) -> dict[str, Any]:
    return _names(transfer) | {
        "status": STATUSES[transfer.status],
        "trans_date": beijing_text(transfer.settled_at or transfer.created_at),
    }

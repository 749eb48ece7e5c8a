"""Alipay's asynchronous notifications: from a raw POST to a `VerifiedCallback`.

Law: signature first, then application, then seller, then shape; nothing is read before it is
verified. The trap of this protocol: a refund notifies the same address with `TRADE_SUCCESS`
(partial) or `TRADE_CLOSED` (full), so a trade state alone never says that money came in.

How a payment notification is read (`refund`: see `_is_refund`):

| trade_status | refund | outcome |
|---|---|---|
| TRADE_SUCCESS, TRADE_FINISHED | no | Paid |
| TRADE_CLOSED | no, and never paid (`gmt_payment` absent) | Closed |
| TRADE_CLOSED | no, but once paid | None: contradictory, a query decides |
| TRADE_SUCCESS, TRADE_FINISHED, TRADE_CLOSED | yes, `out_biz_no` names it | Refunded |
| the same | yes, but unnamed | None: not one of our refunds |
| anything else | | None |

How a hold's notification is read (`rest` is what is still frozen, `used` what was captured):

| notify_type | outcome |
|---|---|
| fund_auth_freeze, status SUCCESS | Authorized |
| fund_auth_freeze, status CLOSED | Closed |
| fund_auth_unfreeze, fund_auth_operation_cancel, with rest 0 and used 0 | Closed |
| the same otherwise | None: a query decides |

Messages of other products may be signed by rule V2; each such type is named by the account, and is
acknowledged without effect.
"""

import hashlib
from collections.abc import Mapping

from fastpath.signed_form import SignedForm
from gateway.channels.alipay.credentials import v2_types, verification_keys
from gateway.channels.alipay.dialect import CURRENCY, fen_of, moment_of
from gateway.channels.alipay.signature import (
    TextMalformed,
    form_texts,
    parse_form,
    texts_of,
    verify_notification,
)
from gateway.channels.alipay.trade import CLOSED_STATUS, PAID_STATUSES, paid
from gateway.channels.codec import (
    AccountView,
    Authorized,
    CallbackRefused,
    Closed,
    Paid,
    Refunded,
    VerifiedCallback,
)
from gateway.channels.crypto import KeyUnusable
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.wire import CallbackRequest

TRADE_NOTIFY_TYPE = "trade_status_sync"
FREEZE_NOTIFY_TYPE = "fund_auth_freeze"
RELEASE_NOTIFY_TYPES = frozenset({"fund_auth_unfreeze", "fund_auth_operation_cancel"})
NUMBER_CHARS_MAX = 64


_TRADE_FACTS = (
    "app_id",
    "seller_id",
    "notify_type",
    "out_trade_no",
    "trade_no",
    "trade_status",
    "out_biz_no",
    "gmt_refund",
    "refund_fee",
    "gmt_payment",
    "total_amount",
    "buyer_pay_amount",
    "receipt_amount",
    "trans_currency",
)


def read_notification(account: AccountView, request: CallbackRequest) -> VerifiedCallback:
    """Verify and read one notification. Raises `CallbackRefused` and nothing else."""
    form = _verified_form(account, request)
    try:
        # All that a payment's takes; the rare others are read again, whole.
        facts = texts_of(form, _TRADE_FACTS)
        app_id, said_seller_id, notify_type = facts[:3]
        fields = {} if notify_type == TRADE_NOTIFY_TYPE else form_texts(form)
    except TextMalformed:
        raise CallbackRefused("malformed") from None
    if app_id != account.credentials["app_id"]:
        raise CallbackRefused("wrong_application")
    seller_id = account.credentials["seller_id"]
    if notify_type == TRADE_NOTIFY_TYPE:
        if said_seller_id != seller_id:
            raise CallbackRefused("wrong_seller")
        return _read_trade(facts)
    if fields.get("seller_id", seller_id) != seller_id:
        raise CallbackRefused("wrong_seller")
    if notify_type == FREEZE_NOTIFY_TYPE or notify_type in RELEASE_NOTIFY_TYPES:
        if fields.get("payee_user_id", seller_id) != seller_id:
            raise CallbackRefused("wrong_seller")
        return _read_hold(fields, is_freeze=notify_type == FREEZE_NOTIFY_TYPE)
    return _read_other(fields)


def _verified_form(account: AccountView, request: CallbackRequest) -> SignedForm:
    if request.method != "POST":
        raise CallbackRefused("malformed")
    try:
        form = parse_form(request.body)
    except TextMalformed:
        raise CallbackRefused("malformed") from None
    if form.get(b"sign") is None:
        raise CallbackRefused("malformed")
    serial = _said(form, b"alipay_cert_sn") or None
    known = verification_keys(account, serial)
    if not known:
        raise CallbackRefused(UNKNOWN_SERIAL, serial=serial)
    # The type only chooses the rule, before it is proven: types of payments always have V1.
    types = v2_types(account)
    by_v2 = bool(types) and _said(form, b"notify_type") in types
    if not _is_genuine(form, known, by_v2=by_v2):
        raise CallbackRefused("bad_signature")
    return form


def _said(form: SignedForm, name: bytes) -> str:
    """What is needed to verify the form, and is not proven yet; empty where it is not said."""
    return (form.get(name) or b"").decode("ascii", "replace")


def _is_genuine(form: SignedForm, keys: tuple[str, ...], *, by_v2: bool) -> bool:
    """Whether one of `keys` signed the form; one that is unusable, and those after it, did not."""
    try:
        for key in keys:
            if verify_notification(form, key, keep_sign_type=by_v2):
                return True
    except KeyUnusable:
        pass
    return False


def _read_trade(facts: tuple[str | None, ...]) -> VerifiedCallback:
    """A trade's notification, of which `facts` are the `_TRADE_FACTS`."""
    order_no, trade_no, status = _number(facts[3]), _number(facts[4]), _number(facts[5])
    refund_no, refunded_at, refund_fee, paid_at = facts[6:10]
    if _is_refund(refund_no, refunded_at, refund_fee):
        refunded: Refunded | None = None
        if refund_no is not None:
            _number(refund_no)
            if status in PAID_STATUSES or status == CLOSED_STATUS:
                refunded = Refunded(refund_no, moment_of(refunded_at))
        refund_key = refund_no or refunded_at or refund_fee
        return VerifiedCallback(f"{trade_no}|{status}|{refund_key}", order_no, refunded, refund_no)
    outcome: Paid | Closed | None = None
    if status in PAID_STATUSES:
        total, buyer_pay, receipt, currency = facts[10:]
        fen = fen_of(total)
        if not fen:
            raise CallbackRefused("malformed")
        outcome = paid(
            trade_no=trade_no,
            total=fen,
            paid_at=paid_at,
            buyer_pay=buyer_pay,
            receipt=receipt,
            currency=currency,
        )
    elif status == CLOSED_STATUS and paid_at is None:
        outcome = Closed(trade_no)
    return VerifiedCallback(f"{trade_no}|{status}|", order_no, outcome)


def _read_hold(fields: Mapping[str, str], *, is_freeze: bool) -> VerifiedCallback:
    auth_no, order_no = _number(fields.get("auth_no")), _number(fields.get("out_order_no"))
    status = _number(fields.get("status"))
    operation = fields.get("operation_id") or fields.get("out_request_no", "")
    outcome: Authorized | Closed | None = None
    if is_freeze and status == "SUCCESS":
        amount = fen_of(fields.get("amount"))
        if not amount:
            raise CallbackRefused("malformed")
        currency = fields.get("trans_currency") or CURRENCY
        outcome = Authorized(channel_order_no=auth_no, amount=amount, currency=currency)
    elif is_freeze and status == "CLOSED":
        outcome = Closed(channel_order_no=auth_no)
    elif not is_freeze and status == "SUCCESS":
        rest, used = fen_of(fields.get("rest_amount")), fen_of(fields.get("total_pay_amount"))
        if rest == 0 and used == 0:
            outcome = Closed(channel_order_no=auth_no)
    return VerifiedCallback(
        dedupe_key=f"{auth_no}|{operation}|{status}", attempt_no=order_no, outcome=outcome
    )


def _read_other(fields: Mapping[str, str]) -> VerifiedCallback:
    """Genuine, but no trade notification: acknowledged without effect."""
    name = fields.get("notify_id") or "&".join(f"{key}={fields[key]}" for key in sorted(fields))
    digest = hashlib.sha256(name.encode("utf-8")).hexdigest()
    return VerifiedCallback(
        dedupe_key=f"notify|{digest}", attempt_no=None, outcome=None, refund_no=None
    )


def _is_refund(refund_no: str | None, refunded_at: str | None, refund_fee: str | None) -> bool:
    """Whether the message tells of a refund.

    `refund_fee` alone does not: trades that time out unpaid are notified with `refund_fee=0.00`.
    A `refund_fee` that is no amount counts as one, because then nothing may be booked as paid.
    """
    return (
        refunded_at is not None
        or refund_no is not None
        or (refund_fee is not None and fen_of(refund_fee) != 0)
    )


def _number(value: str | None) -> str:
    if (
        value is None
        or len(value) > NUMBER_CHARS_MAX
        or not (value.isascii() and value.isprintable())
    ):
        raise CallbackRefused("malformed")
    return value

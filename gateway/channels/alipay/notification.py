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

from gateway.channels.alipay.credentials import v2_types, verification_keys
from gateway.channels.alipay.dialect import CURRENCY, fen_of, moment_of
from gateway.channels.alipay.signature import (
    Form,
    TextMalformed,
    form_texts,
    parse_form,
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


def read_notification(account: AccountView, request: CallbackRequest) -> VerifiedCallback:
    """Verify and read one notification. Raises `CallbackRefused` and nothing else."""
    fields = _verified_fields(account, request)
    if fields.get("app_id") != account.credentials["app_id"]:
        raise CallbackRefused("wrong_application")
    seller_id = account.credentials["seller_id"]
    notify_type = fields.get("notify_type")
    if notify_type == TRADE_NOTIFY_TYPE:
        if fields.get("seller_id") != seller_id:
            raise CallbackRefused("wrong_seller")
        return _read_trade(fields)
    if fields.get("seller_id", seller_id) != seller_id:
        raise CallbackRefused("wrong_seller")
    if notify_type == FREEZE_NOTIFY_TYPE or notify_type in RELEASE_NOTIFY_TYPES:
        if fields.get("payee_user_id", seller_id) != seller_id:
            raise CallbackRefused("wrong_seller")
        return _read_hold(fields, is_freeze=notify_type == FREEZE_NOTIFY_TYPE)
    return _read_other(fields)


def _verified_fields(account: AccountView, request: CallbackRequest) -> dict[str, str]:
    if request.method != "POST":
        raise CallbackRefused("malformed")
    try:
        form = parse_form(request.body)
    except TextMalformed:
        raise CallbackRefused("malformed") from None
    if b"sign" not in form:
        raise CallbackRefused("malformed")
    serial = form.get(b"alipay_cert_sn", b"").decode("ascii", "replace") or None
    known = verification_keys(account, serial)
    if not known:
        raise CallbackRefused(UNKNOWN_SERIAL, serial=serial)
    # The type only chooses the rule, before it is proven: types of payments always have V1.
    said_type = form.get(b"notify_type", b"").decode("ascii", "replace")
    by_v2 = said_type in v2_types(account)
    if not _is_genuine(form, known, by_v2=by_v2):
        raise CallbackRefused("bad_signature")
    try:
        return form_texts(form)
    except TextMalformed:
        raise CallbackRefused("malformed") from None


def _is_genuine(form: Form, keys: tuple[str, ...], *, by_v2: bool) -> bool:
    """Whether one of `keys` signed the form; one that is unusable, and those after it, did not."""
    try:
        for key in keys:
            if verify_notification(form, key, keep_sign_type=by_v2):
                return True
    except KeyUnusable:
        pass
    return False


def _read_trade(fields: Mapping[str, str]) -> VerifiedCallback:
    order_no = _number(fields, "out_trade_no")
    trade_no = _number(fields, "trade_no")
    status = _number(fields, "trade_status")
    refund_no = _number(fields, "out_biz_no") if "out_biz_no" in fields else None
    is_refund = _is_refund(fields)
    refund_key = ""
    if is_refund:
        refund_key = refund_no or fields.get("gmt_refund") or fields.get("refund_fee", "")
    outcome: Paid | Closed | Refunded | None = None
    if is_refund:
        if refund_no is not None and (status in PAID_STATUSES or status == CLOSED_STATUS):
            outcome = Refunded(refund_no=refund_no, refunded_at=moment_of(fields.get("gmt_refund")))
    elif status in PAID_STATUSES:
        outcome = _paid(fields, trade_no)
    elif status == CLOSED_STATUS and "gmt_payment" not in fields:
        outcome = Closed(channel_order_no=trade_no)
    return VerifiedCallback(
        dedupe_key=f"{trade_no}|{status}|{refund_key}",
        attempt_no=order_no,
        outcome=outcome,
        refund_no=refund_no if is_refund else None,
    )


def _read_hold(fields: Mapping[str, str], *, is_freeze: bool) -> VerifiedCallback:
    auth_no, order_no = _number(fields, "auth_no"), _number(fields, "out_order_no")
    status = _number(fields, "status")
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


def _is_refund(fields: Mapping[str, str]) -> bool:
    """Whether the message tells of a refund.

    `refund_fee` alone does not: trades that time out unpaid are notified with `refund_fee=0.00`.
    A `refund_fee` that is no amount counts as one, because then nothing may be booked as paid.
    """
    return (
        "gmt_refund" in fields
        or "out_biz_no" in fields
        or ("refund_fee" in fields and fen_of(fields["refund_fee"]) != 0)
    )


def _paid(fields: Mapping[str, str], trade_no: str) -> Paid:
    total = fen_of(fields.get("total_amount"))
    if not total:
        raise CallbackRefused("malformed")
    return paid(fields, trade_no=trade_no, total=total, paid_at=fields.get("gmt_payment"))


def _number(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not 0 < len(value) <= NUMBER_CHARS_MAX or not (value.isascii() and value.isprintable()):
        raise CallbackRefused("malformed")
    return value

"""The codec of Corner Pay.

Law: as `gateway.channels.codec`: pure, and definite only where Corner Pay signed something listed.
An answer names the operation and the number that it is about, or it is unknown.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.channels.codec import (
    AccountView,
    CallbackRefused,
    Closed,
    CloseOutcome,
    HandedOut,
    NotFound,
    Paid,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    Refunded,
    RefundOrder,
    RefundOutcome,
    Refused,
    Unknown,
    VerifiedCallback,
    Waiting,
)
from gateway.channels.meanings import refused
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

SIGNATURE = "corner-signature"
CURRENCY = "CNY"
AMOUNT_FEN_MAX = 5_000_000
SUBJECT_CHARS_MAX = 127
MEANINGS: Mapping[tuple[str, str], str] = {
    ("create", "limit"): "amount_limit",
    ("refund", "too_much"): "refund_amount_refused",
    ("refund", "not_paid"): "refund_not_allowed",
}
"""The only refusals that are believed: each proves that the request had no effect."""


class CornerCodec:
    """See `gateway.channels.codec.Codec`."""

    name = "corner"
    gateway_url = "https://pay.corner.example/v1"
    sandbox_path = "/corner/v1"
    methods = frozenset({"corner_qr"})
    currencies = frozenset({CURRENCY})
    single_shot: frozenset[str] = frozenset()
    reversible: frozenset[str] = frozenset()
    authorizing: frozenset[str] = frozenset()
    credential_names = frozenset({"shop_id", "shop_secret"})
    option_names: frozenset[str] = frozenset()
    secret_names = frozenset({"shop_secret"})

    def check_account(self, account: AccountView) -> None:
        for name in sorted(self.credential_names):
            if not account.credentials.get(name):
                raise TillgateError(
                    "missing_field", f"Corner Pay needs {name}.", param=f"/credentials/{name}"
                )

    def check_order(self, order: PayOrder) -> None:
        if order.method not in self.methods:
            raise TillgateError("unsupported_method", "Corner Pay has QR codes only.")
        _check_amount(order.amount, order.currency)
        if not 0 < len(order.subject) <= SUBJECT_CHARS_MAX or not order.subject.isprintable():
            raise TillgateError("invalid_field", "The subject is not one line of 1 to 127.")

    def build_pay(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        content = {
            "amount": order.amount,
            "subject": order.subject,
            "expires_at": int(order.expires_at.timestamp()),
            "notify_url": account.notify_url,
        }
        return _request(account, "create", order.attempt_no, now, content)

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        answer = _open(account, "create", order.attempt_no, response)
        if isinstance(answer, Unknown | NotFound | Refused):
            return Unknown("no order") if isinstance(answer, NotFound) else answer
        code = answer.get("qr_code")
        if not isinstance(code, str) or not code.isprintable():
            return Unknown("the answer has no QR code")
        return HandedOut({"type": "qr_code", "qr_code": code})

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        return _request(account, "query", order.attempt_no, now)

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        answer = _open(account, "query", order.attempt_no, response)
        return answer if isinstance(answer, Unknown | NotFound | Refused) else _state(answer)

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        return _request(account, "close", order.attempt_no, now)

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        answer = _open(account, "close", order.attempt_no, response)
        if isinstance(answer, Unknown | NotFound | Refused):
            return answer
        state = _state(answer)
        return Unknown("the order is still open") if isinstance(state, Waiting) else state

    build_cancel = build_close
    read_cancel = read_close

    def build_refund(self, account: AccountView, refund: RefundOrder, now: datetime) -> HttpRequest:
        _check_amount(refund.amount, refund.currency)
        content = {"order": refund.attempt_no, "amount": refund.amount}
        return _request(account, "refund", refund.refund_no, now, content)

    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        return _refunded(_open(account, "refund", refund.refund_no, response), refund)

    def build_refund_query(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> HttpRequest:
        return _request(
            account, "refund_query", refund.refund_no, now, {"order": refund.attempt_no}
        )

    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        return _refunded(_open(account, "refund_query", refund.refund_no, response), refund)

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        message = _verified(account, request.headers.get(SIGNATURE, ""), request.body)
        if request.method != "POST" or message is None:
            genuine = _is_genuine(account, request.headers.get(SIGNATURE, ""), request.body)
            raise CallbackRefused("malformed" if genuine else "bad_signature")
        if message.get("shop_id") != account.credentials["shop_id"]:
            raise CallbackRefused("wrong_application")
        number, refund_no = message.get("number"), message.get("refund_no")
        if not isinstance(number, str):
            raise CallbackRefused("malformed")
        if isinstance(refund_no, str):
            return VerifiedCallback(f"refund|{refund_no}", number, Refunded(refund_no), refund_no)
        outcome = _state(message)
        told = outcome if isinstance(outcome, Paid | Closed) else None
        return VerifiedCallback(f"{number}|{message.get('state')}", number, told)

    def callback_reply(self, accepted: bool) -> CallbackReply:
        return CallbackReply(200 if accepted else 400, "text/plain", b"ok" if accepted else b"no")


def _request(
    account: AccountView,
    operation: str,
    number: str,
    now: datetime,
    content: Mapping[str, object] = {},
) -> HttpRequest:
    message = {
        "shop_id": account.credentials["shop_id"],
        "operation": operation,
        "number": number,
        "at": int(now.timestamp()),
        **content,
    }
    body = json.dumps(message, ensure_ascii=False).encode()
    headers = (("Content-Type", "application/json"), (SIGNATURE, _sign(account, body)))
    return HttpRequest("POST", account.gateway_url, headers, body)


def _sign(account: AccountView, body: bytes) -> str:
    return hmac.digest(account.credentials["shop_secret"].encode(), body, hashlib.sha256).hex()


def _is_genuine(account: AccountView, signature: str, body: bytes) -> bool:
    return hmac.compare_digest(signature.encode(), _sign(account, body).encode())


def _verified(account: AccountView, signature: str, body: bytes) -> dict[str, Any] | None:
    if not _is_genuine(account, signature, body):
        return None
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _open(
    account: AccountView, operation: str, number: str, response: HttpResponse
) -> dict[str, Any] | Unknown | NotFound | Refused:
    if response.status != 200:
        return Unknown(f"the channel answered HTTP {response.status}")
    answer = _verified(account, response.headers.get(SIGNATURE, ""), response.body)
    if answer is None:
        return Unknown("the answer is not signed by the channel")
    if (answer.get("operation"), answer.get("number")) != (operation, number):
        return Unknown("the answer is about something else")
    result = str(answer.get("result"))
    if result == "ok":
        return answer
    if result == "not_found":
        return NotFound()
    meaning = MEANINGS.get((operation, result))
    if meaning is None:
        return Unknown("the channel's code is not a listed one", result)
    return refused(meaning, result)


def _state(message: Mapping[str, Any]) -> Waiting | Paid | Closed | Unknown:
    state, corner_no = message.get("state"), message.get("corner_no")
    amount = message.get("amount")
    if state == "open":
        return Waiting(corner_no)
    if state == "closed":
        return Closed(corner_no)
    if state == "paid" and isinstance(corner_no, str) and type(amount) is int:
        return Paid(corner_no, amount, str(message.get("currency")))
    return Unknown("the state is not a listed one")


def _refunded(answer: object, refund: RefundOrder) -> RefundOutcome:
    if isinstance(answer, Unknown | NotFound | Refused):
        return answer
    if not isinstance(answer, dict) or answer.get("amount") != refund.amount:
        return Unknown("the refunded amount is not the refund's")
    return Refunded(refund.refund_no)


def _check_amount(amount: int, currency: str) -> None:
    if currency != CURRENCY:
        raise TillgateError("unsupported_currency", f"Corner Pay takes {CURRENCY} only.")
    if amount < 1:
        raise TillgateError("amount_below_minimum", "The least amount is 1.")
    if amount > AMOUNT_FEN_MAX:
        raise TillgateError("limit_exceeded", f"The greatest amount is {AMOUNT_FEN_MAX}.")

"""The QQ Wallet codec (unconfirmed: written without the channel's own documents at hand).

Law: as `gateway.channels.codec`: pure, and definite only where QQ Wallet signed something listed.
Against any address but loopback an account must say that it accepts what is unconfirmed.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

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
    RefundPending,
    Unknown,
    VerifiedCallback,
    Waiting,
)
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError
from tillgate_qq_wallet import codes
from tillgate_qq_wallet.dialect import (
    MD5,
    SIGN_TYPES,
    fen_of,
    from_xml,
    is_signed,
    moment_of,
    signature,
    time_text,
    to_xml,
)

CURRENCY = "CNY"
METHOD = "qq_wallet_qr"
AMOUNT_FEN_MAX = 10_000_000
SUBJECT_BYTES_MAX = 128
UNCONFIRMED, ACCEPTED = "unconfirmed", "accepted"
PAYER_IP = "127.0.0.1"
OK = "SUCCESS"
NONCE_CHARS = 32

_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,32}")
_HEADERS = (("Content-Type", "text/xml; charset=utf-8"),)
_WAITING_STATES = frozenset({"NOTPAY", "USERPAYING"})
_PAID_STATES = frozenset({"SUCCESS", "REFUND"})
_CLOSED_STATES = frozenset({"CLOSED", "REVOKED"})


class QqWalletCodec:
    """See `gateway.channels.codec.Codec`."""

    name = "qq_wallet"
    gateway_url = "https://qpay.qq.com/cgi-bin/pay"
    sandbox_path = "/qq_wallet/cgi-bin/pay"
    methods = frozenset({METHOD})
    currencies = frozenset({CURRENCY})
    single_shot: frozenset[str] = frozenset()
    reversible: frozenset[str] = frozenset()
    authorizing: frozenset[str] = frozenset()
    credential_names = frozenset({"mch_id", "api_key"})
    option_names = frozenset(
        {
            "sign_type",
            "trade_type",
            "refund_url",
            "op_user_id",
            "op_user_passwd",
            "payer_ip",
            UNCONFIRMED,
        }
    )
    secret_names = frozenset({"api_key", "op_user_passwd"})

    def check_account(self, account: AccountView) -> None:
        """Raises `missing_field`, `invalid_field` or `url_not_allowed`."""
        credentials = account.credentials
        for name in sorted(self.credential_names):
            if not credentials.get(name):
                raise TillgateError(
                    "missing_field", f"QQ Wallet needs {name}.", param=f"/credentials/{name}"
                )
        if _sign_type(account) not in SIGN_TYPES:
            raise TillgateError(
                "invalid_field",
                f"The signature is one of {', '.join(sorted(SIGN_TYPES))}.",
                param="/credentials/sign_type",
            )
        urls = (account.gateway_url, credentials.get("refund_url") or account.gateway_url)
        if any(urlsplit(url).scheme not in ("https", "http") for url in urls):
            raise TillgateError("url_not_allowed", "QQ Wallet's addresses must be http(s).")
        is_rehearsal = all(_is_loopback(url) for url in urls)
        if not is_rehearsal and credentials.get(UNCONFIRMED) != ACCEPTED:
            raise TillgateError(
                "invalid_field",
                "The QQ Wallet channel is unconfirmed: try it with the channel yourself, then "
                f"register the account with {UNCONFIRMED} = {ACCEPTED}.",
                param=f"/credentials/{UNCONFIRMED}",
            )

    def check_order(self, order: PayOrder) -> None:
        """Refuse what QQ Wallet would never take, before a byte leaves."""
        if order.method not in self.methods:
            raise TillgateError(
                "unsupported_method", f"QQ Wallet does not serve {order.method}.", param="/method"
            )
        _check_amount(order.amount, order.currency)
        try:
            size = len(order.subject.encode("utf-8"))
        except UnicodeEncodeError:
            size = 0
        if not 0 < size <= SUBJECT_BYTES_MAX or not order.subject.isprintable():
            raise TillgateError(
                "invalid_field",
                f"QQ Wallet takes subjects of one line and 1 to {SUBJECT_BYTES_MAX} bytes.",
                param="/subject",
            )
        if not _NUMBER.fullmatch(order.attempt_no):
            raise TillgateError("internal_error", "The order number is not one for QQ Wallet.")

    # --- orders ---------------------------------------------------------------------------------

    def build_pay(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """The request that makes the order and its QR code."""
        content = {
            "out_trade_no": order.attempt_no,
            "body": order.subject,
            "fee_type": CURRENCY,
            "total_fee": str(order.amount),
            "spbill_create_ip": account.credentials.get("payer_ip") or PAYER_IP,
            "time_start": time_text(order.created_at),
            "time_expire": time_text(order.expires_at),
            "notify_url": account.notify_url,
            "trade_type": account.credentials.get("trade_type") or "NATIVE",
        }
        return _request(account, "unified_order", content, now)

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """The QR code; a listed refusal; or unknown."""
        answer = _open(account, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.get("result_code") != OK:
            return codes.refusal("unified_order", answer.get("err_code", ""))
        code = answer.get("code_url", "")
        if not code or not code.isprintable():
            return Unknown("the answer has no code_url")
        return HandedOut({"type": "qr_code", "qr_code": code})

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask what became of an order."""
        return _request(account, "order_query", {"out_trade_no": order.attempt_no}, now)

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """The state of the order. Never `Refused`."""
        answer = _open(account, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.get("result_code") != OK:
            return _not_found_or_unknown(answer, codes.ORDER_NOT_EXIST)
        if answer.get("out_trade_no") != order.attempt_no:
            return Unknown("the answer is about another order")
        return _state(answer)

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Close an order that nobody has paid."""
        return _request(account, "close_order", {"out_trade_no": order.attempt_no}, now)

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed or not found; whatever else is said is unknown, and the order is queried."""
        answer = _open(account, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.get("result_code") != OK:
            return _not_found_or_unknown(answer, codes.ORDER_NOT_EXIST)
        return Closed()

    build_cancel = build_close
    read_cancel = read_close

    # --- refunds --------------------------------------------------------------------------------

    def build_refund(self, account: AccountView, refund: RefundOrder, now: datetime) -> HttpRequest:
        """Refund part or all."""
        _check_amount(refund.amount, refund.currency)
        content = {
            "out_trade_no": refund.attempt_no,
            "out_refund_no": refund.refund_no,
            "refund_fee": str(refund.amount),
            "op_user_id": account.credentials.get("op_user_id") or account.credentials["mch_id"],
            "op_user_passwd": account.credentials.get("op_user_passwd", ""),
        }
        return _request(account, "refund", content, now)

    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Success means that the refund was taken; the query tells when it is done."""
        answer = _open(account, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.get("result_code") != OK:
            code = answer.get("err_code", "")
            return NotFound() if code == codes.ORDER_NOT_EXIST else codes.refusal("refund", code)
        if answer.get("out_refund_no") != refund.refund_no:
            return Unknown("the answer is about another refund")
        return RefundPending()

    def build_refund_query(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of one refund number."""
        return _request(account, "refund_query", {"out_refund_no": refund.refund_no}, now)

    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Refunded with this number and this amount. Never `Refused`."""
        answer = _open(account, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.get("result_code") != OK:
            return _not_found_or_unknown(answer, codes.REFUND_NOT_EXIST)
        if answer.get("out_refund_no_0") != refund.refund_no:
            return Unknown("the answer is about another refund")
        if fen_of(answer.get("refund_fee_0")) != refund.amount:
            return Unknown("the refunded amount is not the refund's")
        status = answer.get("refund_status_0")
        if status == "SUCCESS":
            return Refunded(refund.refund_no)
        return RefundPending() if status == "PROCESSING" else Unknown("no listed refund status")

    # --- callbacks ------------------------------------------------------------------------------

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        """A payment that was made. No time of sending is signed, so `now` is unused."""
        message = from_xml(request.body) if request.method == "POST" else None
        if message is None or "sign" not in message:
            raise CallbackRefused("malformed")
        if not _is_genuine(account, message):
            raise CallbackRefused("bad_signature")
        if message.get("mch_id") != account.credentials["mch_id"]:
            raise CallbackRefused("wrong_application")
        number = message.get("out_trade_no", "")
        if not _NUMBER.fullmatch(number):
            raise CallbackRefused("malformed")
        outcome = _state(message)
        key = f"{message.get('transaction_id')}|{message.get('trade_state')}"
        return VerifiedCallback(key, number, outcome if isinstance(outcome, Paid) else None)

    def callback_reply(self, accepted: bool) -> CallbackReply:
        """The word SUCCESS stops the resending."""
        word = OK if accepted else "FAIL"
        status = 200 if accepted else 400
        return CallbackReply(status, "text/xml", to_xml({"return_code": word}))


# --- requests -----------------------------------------------------------------------------------


def _request(
    account: AccountView, operation: str, content: Mapping[str, str], now: datetime
) -> HttpRequest:
    number = content.get("out_refund_no") or content["out_trade_no"]
    seed = f"{operation}|{number}|{now.isoformat(timespec='microseconds')}"
    message = {
        "mch_id": account.credentials["mch_id"],
        "nonce_str": hashlib.sha256(seed.encode()).hexdigest()[:NONCE_CHARS],
        **content,
    }
    message = {name: text for name, text in message.items() if text}
    message["sign"] = signature(
        message, key=account.credentials["api_key"], sign_type=_sign_type(account)
    )
    base = account.gateway_url
    if operation == "refund":
        base = account.credentials.get("refund_url") or base
    return HttpRequest("POST", f"{base}/qpay_{operation}.cgi", _HEADERS, to_xml(message))


def _check_amount(amount: int, currency: str) -> None:
    if currency != CURRENCY:
        raise TillgateError(
            "unsupported_currency", f"QQ Wallet takes {CURRENCY} only.", param="/currency"
        )
    if amount < 1:
        raise TillgateError("amount_below_minimum", "The least amount is 1.", param="/amount")
    if amount > AMOUNT_FEN_MAX:
        raise TillgateError(
            "limit_exceeded", f"The greatest amount is {AMOUNT_FEN_MAX}.", param="/amount"
        )


def _sign_type(account: AccountView) -> str:
    return account.credentials.get("sign_type") or MD5


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- answers ------------------------------------------------------------------------------------


def _open(account: AccountView, response: HttpResponse) -> dict[str, str] | Unknown:
    """The signed members of an answer for this merchant."""
    if response.status != 200:
        return Unknown(f"the channel answered HTTP {response.status}")
    answer = from_xml(response.body)
    if answer is None:
        return Unknown("the answer is not readable")
    if "sign" not in answer or not _is_genuine(account, answer):
        return Unknown("the answer is not signed by the channel", answer.get("err_code"))
    if answer.get("return_code") != OK or answer.get("mch_id") != account.credentials["mch_id"]:
        return Unknown("the answer is not for this account")
    return answer


def _is_genuine(account: AccountView, message: Mapping[str, str]) -> bool:
    return is_signed(message, key=account.credentials["api_key"], sign_type=_sign_type(account))


def _not_found_or_unknown(answer: Mapping[str, str], not_found: str) -> NotFound | Unknown:
    code = answer.get("err_code", "")
    if code == not_found:
        return NotFound()
    return Unknown("the channel's code is not a listed one", code or None)


def _state(message: Mapping[str, str]) -> Waiting | Paid | Closed | Unknown:
    state, number = message.get("trade_state"), message.get("transaction_id")
    if state in _WAITING_STATES:
        return Waiting(number)
    if state in _CLOSED_STATES:
        return Closed(number)
    total = fen_of(message.get("total_fee"))
    if state not in _PAID_STATES or number is None or not total:
        return Unknown("the state is not a listed one, or lacks a fact")
    return Paid(
        channel_order_no=number,
        amount=total,
        currency=message.get("fee_type") or CURRENCY,
        paid_at=moment_of(message.get("time_end")),
    )

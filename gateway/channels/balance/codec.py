"""The balance codec: orders to signed requests at a wallet service, signed answers to outcomes.

Law: as `gateway.channels.codec`. A debit takes money at once and is never sent again while in
doubt: it is asked about by its number, and reversed under it. The service counts a number once. A
hold keeps money back without taking it; captures take of it under numbers of their own, a void lets
go of the rest.
"""

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

from fastpath.amount import AMOUNT_MINOR_MAX
from gateway.channels.authorization import (
    Captured,
    CaptureOrder,
    CaptureOutcome,
)
from gateway.channels.balance import codes
from gateway.channels.balance.message import Answer, base_of, key_of, open_answer, request
from gateway.channels.codec import (
    AccountView,
    Authorized,
    CallbackRefused,
    Closed,
    CloseOutcome,
    NotFound,
    Paid,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    Refunded,
    RefundOrder,
    RefundOutcome,
    Unknown,
    VerifiedCallback,
)
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError
from gateway.domain.money import EXPONENTS

METHOD = "balance"
MISSING = "the answer lacks a fact: "

_CLIENT = re.compile(r"[0-9A-Za-z_-]{1,64}")
_WALLET = re.compile(r"[0-9A-Za-z_-]{1,64}")


class BalanceCodec:
    """See `gateway.channels.codec.Codec` and `gateway.channels.authorization.Authorizing`.

    `method_options.wallet_id` names the payer's wallet. `service_url` is where the service is,
    unless it is a simulator.
    """

    name = "balance"
    sandbox_path = "/balance"
    methods = frozenset({METHOD})
    currencies = frozenset(EXPONENTS)
    single_shot = frozenset({METHOD})
    reversible = frozenset({METHOD})
    authorizing = frozenset({METHOD})
    credential_names = frozenset({"client_id", "service_key"})
    option_names = frozenset({"service_url"})
    secret_names = frozenset({"service_key"})

    def check_account(self, account: AccountView) -> None:
        """Refuse a registration that could never work.

        Raises `TillgateError` `missing_field`, `invalid_field` or `url_not_allowed`.
        """
        for name in sorted(self.credential_names):
            if not account.credentials.get(name):
                raise TillgateError(
                    "missing_field", f"A wallet service needs {name}.", param=f"/credentials/{name}"
                )
        if not _CLIENT.fullmatch(account.credentials["client_id"]):
            raise TillgateError(
                "invalid_field", "This is no client_id.", param="/credentials/client_id"
            )
        if key_of(account) is None:
            raise TillgateError(
                "invalid_field",
                "The key must be 32 bytes in base64.",
                param="/credentials/service_key",
            )
        _check_url(account)

    def check_order(self, order: PayOrder) -> None:
        """Refuse what no wallet would pay."""
        if order.method != METHOD:
            raise TillgateError(
                "unsupported_method", f"A wallet does not serve {order.method}.", param="/method"
            )
        _check_amount(order.amount, order.currency)
        if not order.subject.isprintable():
            raise TillgateError("invalid_field", "The subject is no text.", param="/subject")
        if not _WALLET.fullmatch(order.method_options.get("wallet_id", "")):
            raise TillgateError(
                "missing_field",
                "Name the payer's wallet.",
                param="/method_options/wallet_id",
            )

    # --- pay ------------------------------------------------------------------------------------

    def build_pay(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Take the amount, or hold it where the order says `manual`."""
        content: dict[str, object] = {
            "number": order.attempt_no,
            "wallet_id": order.method_options.get("wallet_id", ""),
            "amount": order.amount,
            "currency": order.currency,
            "subject": order.subject,
            "hold": order.capture_method == "manual",
        }
        return request(account, method="POST", path="/v1/debits", now=now, content=content)

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """Paid, held, refused (listed) or unknown."""
        answer = open_answer(account, response, operation="debit", number=order.attempt_no)
        if isinstance(answer, Unknown):
            return answer
        if answer.code:
            return codes.refusal(codes.DEBIT, answer.code)
        found = _debit(answer)
        if isinstance(found, Closed):
            return Unknown(reason="the number was closed before")
        if isinstance(found, Paid | Authorized) and found.amount != order.amount:
            # What was asked for is what is answered, or the question is asked again.
            return Unknown(reason="the answer names another amount than was asked for")
        return found

    # --- query, close, cancel -------------------------------------------------------------------

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask what became of a number."""
        return request(account, method="GET", path=f"/v1/debits/{order.attempt_no}", now=now)

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """The state of the debit; never `Refused`."""
        return _read_debit(account, order, response)

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Have a number take no money any more, unless it has."""
        path = f"/v1/debits/{order.attempt_no}/close"
        return request(account, method="POST", path=path, now=now)

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed; or paid or held, because it was before."""
        return _read_debit(account, order, response)

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Reverse a debit whose outcome is unknown: closed, or given back if it took money."""
        path = f"/v1/debits/{order.attempt_no}/reverse"
        return request(account, method="POST", path=path, now=now)

    def read_cancel(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed, whether it had taken money before or not."""
        return _read_debit(account, order, response)

    # --- holds ----------------------------------------------------------------------------------

    def build_capture(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest:
        """Take of a hold."""
        content: dict[str, object] = {
            "number": capture.capture_no,
            "amount": capture.amount,
            "currency": capture.currency,
            "final": capture.final,
        }
        path = f"/v1/debits/{capture.attempt_no}/captures"
        return request(account, method="POST", path=path, now=now, content=content)

    def read_capture(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome:
        """Captured with this number and this amount, refused (listed), or unknown."""
        answer = open_answer(account, response, operation="capture", number=capture.capture_no)
        if isinstance(answer, Unknown):
            return answer
        if answer.code:
            return codes.refusal(codes.CAPTURE, answer.code)
        return _captured(answer, capture)

    def build_capture_query(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of a capture."""
        path = f"/v1/captures/{capture.capture_no}"
        return request(account, method="GET", path=path, now=now)

    def read_capture_query(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome:
        """Captured, not found, or unknown; never `Refused`."""
        answer = open_answer(account, response, operation="capture", number=capture.capture_no)
        if isinstance(answer, Unknown):
            return answer
        if answer.code:
            return _none_or_unknown(answer)
        return _captured(answer, capture)

    def build_void(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Let go of a hold, or of what is left of it."""
        path = f"/v1/debits/{order.attempt_no}/void"
        return request(account, method="POST", path=path, now=now)

    def read_void(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed where nothing was captured; otherwise paid with what was."""
        return _read_debit(account, order, response)

    # --- refund ---------------------------------------------------------------------------------

    def build_refund(self, account: AccountView, refund: RefundOrder, now: datetime) -> HttpRequest:
        """Credit back to the wallet that was debited."""
        _check_amount(refund.amount, refund.currency)
        content: dict[str, object] = {
            "number": refund.refund_no,
            "debit": refund.attempt_no,
            "amount": refund.amount,
            "currency": refund.currency,
        }
        return request(account, method="POST", path="/v1/credits", now=now, content=content)

    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Refunded, refused (listed), or unknown."""
        answer = open_answer(account, response, operation="credit", number=refund.refund_no)
        if isinstance(answer, Unknown):
            return answer
        if answer.code:
            return codes.refusal(codes.CREDIT, answer.code)
        return _refunded(answer, refund)

    def build_refund_query(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of a credit."""
        return request(account, method="GET", path=f"/v1/credits/{refund.refund_no}", now=now)

    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Refunded, not found, or unknown; never `Refused`."""
        answer = open_answer(account, response, operation="credit", number=refund.refund_no)
        if isinstance(answer, Unknown):
            return answer
        return _none_or_unknown(answer) if answer.code else _refunded(answer, refund)

    # --- callbacks ------------------------------------------------------------------------------

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        """A wallet service answers at once and calls nobody: whoever does is a stranger."""
        raise CallbackRefused("malformed")

    def callback_reply(self, accepted: bool) -> CallbackReply:
        """To strangers."""
        return CallbackReply(status=404, content_type="text/plain", body=b"")


def _check_amount(amount: int, currency: str) -> None:
    if currency not in EXPONENTS:
        raise TillgateError("unsupported_currency", "There is no such currency.", param="/currency")
    if amount < 1:
        raise TillgateError("amount_below_minimum", "The least amount is 1.", param="/amount")
    if amount > AMOUNT_MINOR_MAX:
        raise TillgateError(
            "limit_exceeded", f"At most {AMOUNT_MINOR_MAX} minor units.", param="/amount"
        )


def _read_debit(
    account: AccountView, order: PayOrder, response: HttpResponse
) -> Paid | Authorized | Closed | NotFound | Unknown:
    """What an answer about a debit says, whatever was asked; never `Refused`."""
    answer = open_answer(account, response, operation="debit", number=order.attempt_no)
    if isinstance(answer, Unknown):
        return answer
    return _none_or_unknown(answer) if answer.code else _debit(answer)


def _none_or_unknown(answer: Answer) -> NotFound | Unknown:
    if answer.code == codes.NOT_FOUND:
        return NotFound()
    return Unknown(reason="the wallet's code is not a listed one", channel_code=answer.code)


def _debit(answer: Answer) -> Paid | Authorized | Closed | Unknown:
    """The state of a debit or hold. A reversed one gave all back: no more money can come."""
    status, reference = answer.text("status"), answer.text("reference")
    if status in ("closed", "reversed"):
        return Closed(channel_order_no=reference)
    amount, currency = answer.amount("amount"), answer.text("currency")
    captured = answer.amount("captured")
    if not reference or not amount or not currency or captured is None:
        return Unknown(reason=MISSING + "reference, amount, captured or currency")
    if status == "held":
        until = _moment(answer.text("until"))
        return Authorized(
            channel_order_no=reference, amount=amount, currency=currency, capture_before=until
        )
    if status == "done" and captured:
        return Paid(
            channel_order_no=reference,
            amount=captured,
            currency=currency,
            paid_at=_moment(answer.text("at")),
        )
    return Unknown(reason="the status is not a listed one")


def _captured(answer: Answer, capture: CaptureOrder) -> CaptureOutcome:
    if answer.amount("amount") != capture.amount:
        return Unknown(reason="the captured amount is not the capture's")
    return Captured(
        capture_no=capture.capture_no,
        amount=capture.amount,
        channel_order_no=answer.text("reference"),
        captured_at=_moment(answer.text("at")),
    )


def _refunded(answer: Answer, refund: RefundOrder) -> RefundOutcome:
    if answer.text("debit") != refund.attempt_no or answer.amount("amount") != refund.amount:
        return Unknown(reason="the credit is not the refund's")
    return Refunded(refund_no=refund.refund_no, refunded_at=_moment(answer.text("at")))


def _moment(text: str | None) -> datetime | None:
    """A moment with its zone; None if `text` is not one."""
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else moment.astimezone(UTC)


def _check_url(account: AccountView) -> None:
    base = base_of(account)
    if not base:
        raise TillgateError(
            "missing_field",
            "Say where the wallet service is.",
            param="/credentials/service_url",
        )
    try:
        parts = urlsplit(base)
    except ValueError:
        parts = urlsplit("")
    is_secure = parts.scheme == "https" or bool(account.gateway_url)
    is_plain = not (parts.query or parts.fragment or parts.username)
    if not (is_secure and parts.hostname and is_plain) or base.endswith("/"):
        raise TillgateError(
            "url_not_allowed",
            "The service URL must be https, without user, query, fragment and slash at the end.",
            param="/credentials/service_url",
        )

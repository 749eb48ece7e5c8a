"""The UnionPay codec: orders to signed requests, signed answers to outcomes.

Law: as `gateway.channels.codec`: pure, and definite only where UnionPay signed something listed,
with a certificate that was trusted before it was used. Decisions look at answer codes only, never
at message texts. UnionPay's 00 to a trade that moves money says that it was taken: only the query
or the callback says that it is done.

Ways to pay are lines of `ways.WAYS`; capture and void are in `holds`, the code by SMS in `sms`,
the daily file in `statement`, callbacks in `notification`. UnionPay knows no close: an order ends
when its time (`payTimeout`) is over, so a close asks what the order is.
"""

from datetime import datetime
from urllib.parse import urlsplit

from gateway.channels.codec import (
    AccountView,
    CloseOutcome,
    HandedOut,
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
)
from gateway.channels.crypto import KeyUnusable
from gateway.channels.unionpay import codes
from gateway.channels.unionpay.answer import MISSING, open_answer
from gateway.channels.unionpay.certificate import CertificateRefused, check_authorities
from gateway.channels.unionpay.credential import credential_of
from gateway.channels.unionpay.dialect import CURRENCY, NUMBER, beijing_text, time_of_number
from gateway.channels.unionpay.holds import Holds
from gateway.channels.unionpay.limits import (
    ORDER_DESC_CHARS_MAX,
    check_amount,
    check_number,
    check_options,
    check_url,
    is_text,
)
from gateway.channels.unionpay.message import (
    BACK,
    BIZ_OTHER,
    FRONT,
    Kind,
    door_url,
    money,
    order_trade,
    query,
    request,
    signed_fields,
    trade,
)
from gateway.channels.unionpay.notification import read_notification
from gateway.channels.unionpay.sms import Sms
from gateway.channels.unionpay.statement import Statements
from gateway.channels.unionpay.trade import read_end, read_move, read_state
from gateway.channels.unionpay.undo import VOID_PAYMENT, build_undo, read_undo
from gateway.channels.unionpay.ways import WAYS
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

QR_CODE_CHARS_MAX = 1024
REFUND_KIND = Kind("04", "00", BIZ_OTHER)


class UnionPayCodec(Holds, Sms, Statements):
    """See `gateway.channels.codec.Codec`; what its credentials are stands in the documents."""

    name = "unionpay"
    methods = frozenset(WAYS)
    currencies = frozenset({CURRENCY})
    single_shot: frozenset[str] = frozenset()
    reversible: frozenset[str] = frozenset()
    credential_names = frozenset({"mer_id", "root_certificate", "middle_certificate"})
    option_names = frozenset(
        {
            "sign_pfx",
            "sign_pfx_password",
            "merchant_private_key",
            "cert_id",
            "signer_name",
            "front_url",
            "token_requestor_id",
            "file_url",
        }
    )
    secret_names = frozenset({"sign_pfx", "sign_pfx_password", "merchant_private_key"})

    def check_account(self, account: AccountView) -> None:
        """Refuse a registration that could never work: to be asked before it is stored.

        Raises `TillgateError` `missing_field`, `invalid_field` or `url_not_allowed`.
        """
        credentials = account.credentials
        for name in sorted(self.credential_names):
            if not credentials.get(name):
                raise TillgateError(
                    "missing_field", f"UnionPay needs {name}.", param=f"/credentials/{name}"
                )
        if not credentials.get("sign_pfx") and not credentials.get("merchant_private_key"):
            raise TillgateError(
                "missing_field",
                "UnionPay needs sign_pfx, or merchant_private_key with cert_id.",
                param="/credentials/sign_pfx",
            )
        if not NUMBER.fullmatch(credentials["mer_id"]):
            raise _invalid("mer_id", "The merchant number is not one of UnionPay's.")
        try:
            credential_of(credentials)
        except KeyUnusable as error:
            name = "sign_pfx" if credentials.get("sign_pfx") else "merchant_private_key"
            raise _invalid(name, f"{str(error).capitalize()}.") from None
        try:
            check_authorities(
                root=credentials["root_certificate"], middles=credentials["middle_certificate"]
            )
        except CertificateRefused as error:
            raise _invalid("middle_certificate", f"{str(error).capitalize()}.") from None
        _check_gateway(account.gateway_url)
        check_url(account.notify_url, param="/notify_url")
        check_url(credentials.get("front_url"), param="/credentials/front_url")

    def check_order(self, order: PayOrder) -> None:
        """Refuse what UnionPay would never take, before a byte leaves."""
        if order.method not in self.methods:
            raise TillgateError(
                "unsupported_method", f"UnionPay does not serve {order.method}.", param="/method"
            )
        check_amount(order.amount, order.currency)
        check_number(order.attempt_no)
        if not order.subject or not is_text(order.subject):
            raise TillgateError("invalid_field", "The subject is no text.", param="/subject")
        check_options(order)
        check_url(order.return_url, param="/return_url")

    # --- pay ------------------------------------------------------------------------------------

    def build_pay(
        self, account: AccountView, order: PayOrder, now: datetime
    ) -> HttpRequest | HandedOut:
        """The form for the payer, or the request for a QR code or an SMS.

        The same order gives the same bytes whenever it is built: `txnTime` is its creation.
        """
        way = WAYS[order.method]
        if way.by_sms:
            return self.build_sms(account, order)
        fields = {
            **order_trade(order),
            **money(order.amount),
            "payTimeout": beijing_text(order.expires_at),
            "backUrl": account.notify_url,
            "orderDesc": order.subject[:ORDER_DESC_CHARS_MAX],
        }
        if not way.by_form:
            return request(account, BACK, way.kind, fields)
        fields["frontUrl"] = _front_url(account, order)
        form = {
            "type": "form",
            "url": door_url(account, FRONT),
            "fields": signed_fields(account, way.kind, fields),
        }
        return HandedOut(next_action=form)

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """What became of the order: handed out, refused (listed), or unknown."""
        if WAYS[order.method].by_sms:
            return self.read_sms(account, order, response)
        answer = open_answer(account, response, about=order_trade(order))
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.refusal(codes.QR, answer.code)
        qr_code = answer.text("qrCode")
        if qr_code is None or len(qr_code) > QR_CODE_CHARS_MAX or not qr_code.isprintable():
            return Unknown(reason=MISSING + "qrCode")
        return HandedOut(next_action={"type": "qr_code", "qr_code": qr_code})

    # --- query, close, cancel -------------------------------------------------------------------

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask what became of an order."""
        return query(account, order_trade(order))

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """The state of the order; `Refused` only for quick pay, whose failed try ends it."""
        return read_state(account, order, response)

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask what the order is: UnionPay closes none before its time."""
        return query(account, order_trade(order))

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed when its time is over and nothing came; not found when nobody began to pay."""
        return read_end(account, order, response)

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Void a payment on the day it was made."""
        return build_undo(account, VOID_PAYMENT, order, now)

    def read_cancel(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed once UnionPay says that it was voided before: a void is sent until then."""
        return read_undo(account, order, response)

    # --- refund ---------------------------------------------------------------------------------

    def build_refund(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> HttpRequest | RefundOutcome:
        """Refund part or all. Raises `TillgateError` for a foreign currency or a bad amount."""
        check_amount(refund.amount, refund.currency)
        check_number(refund.attempt_no)
        if refund.channel_order_no is None:
            return Unknown(reason="the payment's number at UnionPay is not known")
        fields = {
            **_refund_trade(refund),
            **money(refund.amount),
            "origQryId": refund.channel_order_no,
            "backUrl": account.notify_url,
            "reqReserved": refund.attempt_no,
        }
        return request(account, BACK, REFUND_KIND, fields)

    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Pending where UnionPay took it, refused where listed; never done at once."""
        answer = open_answer(account, response, about=_refund_trade(refund))
        if isinstance(answer, Unknown):
            return answer
        if answer.code in (codes.OK, codes.TAKEN):
            return RefundPending()
        return codes.refusal(codes.REFUND, answer.code)

    def build_refund_query(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of one refund number."""
        return query(account, _refund_trade(refund))

    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Refunded with this number and this amount; refused where the refund itself failed."""
        answer = open_answer(account, response, about=_refund_trade(refund))
        if isinstance(answer, Unknown):
            return answer
        found = read_move(answer, REFUND_KIND, pending=RefundPending(), failed=codes.REFUND_FAILED)
        if not isinstance(found, Paid):
            return found
        if (found.amount, found.currency) != (refund.amount, refund.currency):
            return Unknown(reason="the refunded amount is not the refund's")
        return Refunded(refund_no=refund.refund_no, refunded_at=found.paid_at)

    # --- callbacks ------------------------------------------------------------------------------

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        """Verify and read a back notification; `now` judges the certificate in it."""
        return read_notification(account, request, now)

    def callback_reply(self, accepted: bool) -> CallbackReply:
        """The status alone decides; anything but 200 asks for another sending."""
        if accepted:
            return CallbackReply(status=200, content_type="text/plain", body=b"ok")
        return CallbackReply(status=400, content_type="text/plain", body=b"failure")


def _refund_trade(refund: RefundOrder) -> dict[str, str]:
    """A refund's own two names. Raises `internal_error` for a number that is none of ours."""
    made_at = time_of_number(refund.refund_no)
    if made_at is None:
        raise TillgateError("internal_error", "The refund number carries no time for UnionPay.")
    return trade(refund.refund_no, made_at)


def _front_url(account: AccountView, order: PayOrder) -> str:
    """Where UnionPay's page sends the payer's browser afterwards (by POST)."""
    given = order.return_url or account.credentials.get("front_url")
    if given:
        return given
    parts = urlsplit(account.notify_url)
    return f"{parts.scheme}://{parts.netloc}/"


def _check_gateway(url: str) -> None:
    parts = urlsplit(url)
    if parts.query or parts.fragment or parts.scheme not in ("https", "http"):
        raise TillgateError(
            "url_not_allowed", "The gateway URL must be http(s), without query or fragment."
        )


def _invalid(name: str, detail: str) -> TillgateError:
    return TillgateError("invalid_field", detail, param=f"/credentials/{name}")

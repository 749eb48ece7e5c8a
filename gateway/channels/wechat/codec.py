"""The WeChat Pay codec: orders to signed requests, signed answers to outcomes.

Law: as `gateway.channels.codec`: pure, and definite only where WeChat signed something listed.
Decisions look at HTTP status, `code` and the states of objects, never at message texts. Each read
has three ways out: success with every fact it needs (definite), a listed code (definite), else
`Unknown`.

Ways to pay are lines of `ways.WAYS`. A payer's code (`wechat_codepay`) is charged at once, or after
the payer's password; it is never sent again while in doubt, and ended by WeChat's reverse, which
closes the order or gives the money back. All other orders are made first, paid later and ended by
close. Holding money (authorize, capture) is not offered: WeChat Pay has no such product.

An answer does not sign which request it answers. Where it names the order, the name is compared; a
close (204) and a new order's code carry no name, and are trusted as far as TLS and the time of
sending go.
"""

from collections.abc import Mapping
from datetime import date, datetime

from gateway.channels.codec import (
    AccountView,
    Closed,
    CloseOutcome,
    HandedOut,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    RefundOrder,
    RefundOutcome,
    Unknown,
    VerifiedCallback,
)
from gateway.channels.statement import Statement, StatementOutcome, StatementReady
from gateway.channels.transfer import TransferOrder, TransferOutcome
from gateway.channels.wechat import bill, codes, keys, refund, registration, transfer
from gateway.channels.wechat.answer import MISSING, open_answer
from gateway.channels.wechat.dialect import CURRENCY
from gateway.channels.wechat.notification import read_notification
from gateway.channels.wechat.request import segment, signed_request
from gateway.channels.wechat.trade import read_trade
from gateway.channels.wechat.ways import WAYS, content_of
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse

ORDERS_PATH = "/v3/pay/transactions/out-trade-no"
CODEPAY = "wechat_codepay"


class WechatCodec:
    """See `gateway.channels.codec.Codec`, `transfer.Transferring`, `statement.Stating` and
    `key_ring.KeyFetching`. What the credentials are is said in `registration`.
    """

    name = "wechat"
    methods = frozenset(WAYS)
    currencies = frozenset({CURRENCY})
    single_shot = frozenset({CODEPAY})
    reversible = frozenset({CODEPAY})
    authorizing: frozenset[str] = frozenset()
    credential_names = registration.REQUIRED
    option_names = registration.OPTIONS
    secret_names = registration.SECRETS
    transfer_methods = frozenset({transfer.METHOD})
    statements = bill.STATEMENTS

    def check_account(self, account: AccountView) -> None:
        """Raises `TillgateError` `missing_field`, `invalid_field` or `url_not_allowed`."""
        registration.check_account(account)

    def check_order(self, order: PayOrder) -> None:
        """Refuse what WeChat would never take, before a byte leaves."""
        registration.check_order(order)

    # --- pay ------------------------------------------------------------------------------------

    def build_pay(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """The request that hands the order to WeChat; `expires_at` becomes its end there."""
        return signed_request(
            account,
            "POST",
            WAYS[order.method].path,
            now,
            operation="pay",
            number=order.attempt_no,
            content=content_of(account, order),
        )

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """What became of the order: handed out, paid, refused (listed), or unknown."""
        answer = open_answer(account, response)
        if isinstance(answer, Unknown):
            return answer
        way = WAYS[order.method]
        if answer.is_success:
            return way.read(account, order, answer)
        if order.method == CODEPAY and answer.code == codes.USERPAYING:
            return HandedOut(next_action={"type": "barcode_wait"})
        return codes.refusal(way.refusals, status=answer.status, code=answer.code)

    # --- query, close, reverse ------------------------------------------------------------------

    def build_query(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Ask what became of an order."""
        mchid = segment(account.credentials["mchid"])
        path = f"{ORDERS_PATH}/{segment(order.attempt_no)}?mchid={mchid}"
        return signed_request(account, "GET", path, now, operation="query", number=order.attempt_no)

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """The state of the order. Never `Refused`: a refused query says nothing about the order."""
        answer = open_answer(account, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.is_success:
            return read_trade(account, answer.fields, order.attempt_no)
        return codes.absence(codes.NO_ORDER, status=answer.status, code=answer.code)

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Close an order that nobody has paid; a payer's code is reversed instead."""
        if order.method == CODEPAY:
            return self.build_cancel(account, order, now)
        return signed_request(
            account,
            "POST",
            f"{ORDERS_PATH}/{segment(order.attempt_no)}/close",
            now,
            operation="close",
            number=order.attempt_no,
            content={"mchid": account.credentials["mchid"]},
        )

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed or not found; a wrong state (paid) is Unknown: query it."""
        if order.method == CODEPAY:
            return self.read_cancel(account, order, response)
        answer = open_answer(account, response)
        if isinstance(answer, Unknown):
            return answer
        if answer.is_success:
            if answer.status != 204:
                return Unknown(reason="the answer to a close is not an empty one")
            return Closed()
        if (answer.status, answer.code) in codes.ALREADY_CLOSED:
            return Closed()
        return codes.absence(codes.NO_ORDER, status=answer.status, code=answer.code)

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Reverse a payer's code: WeChat closes the order, or refunds it if paid.

        Orders that were made first cannot be reversed and are closed.
        """
        if order.method != CODEPAY:
            return self.build_close(account, order, now)
        credentials = account.credentials
        return signed_request(
            account,
            "POST",
            f"{ORDERS_PATH}/{segment(order.attempt_no)}/reverse",
            now,
            operation="reverse",
            number=order.attempt_no,
            content={"appid": credentials["appid"], "mchid": credentials["mchid"]},
        )

    def read_cancel(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Closed after a reverse: if the order was paid, all of it was given back."""
        if order.method != CODEPAY:
            return self.read_close(account, order, response)
        answer = open_answer(account, response)
        if isinstance(answer, Unknown):
            return answer
        if not answer.is_success:
            return codes.absence(codes.NO_ORDER, status=answer.status, code=answer.code)
        if "out_trade_no" not in answer.fields:
            return Unknown(reason=MISSING + "out_trade_no")
        if answer.fields["out_trade_no"] != order.attempt_no:
            return Unknown(reason="the answer is about another out_trade_no")
        if answer.fields.get("recall", "N") != "N":
            return Unknown(reason="the channel asks to reverse again")
        return Closed()

    # --- refund ---------------------------------------------------------------------------------

    def build_refund(self, account: AccountView, order: RefundOrder, now: datetime) -> HttpRequest:
        """Refund part or all. Raises `TillgateError` for a foreign currency or a bad amount."""
        registration.check_amount(order.amount, order.currency)
        return refund.build_refund(account, order, now)

    def read_refund(
        self, account: AccountView, order: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """See `refund`."""
        return refund.read_refund(account, order, response)

    def build_refund_query(
        self, account: AccountView, order: RefundOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of one refund number."""
        return refund.build_refund_query(account, order, now)

    def read_refund_query(
        self, account: AccountView, order: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """See `refund`."""
        return refund.read_refund_query(account, order, response)

    # --- transfers ------------------------------------------------------------------------------

    def check_transfer(self, order: TransferOrder) -> None:
        """Refuse what WeChat would never take, before a byte leaves."""
        transfer.check_transfer(order)

    def build_transfer(
        self, account: AccountView, order: TransferOrder, now: datetime
    ) -> HttpRequest:
        """See `transfer.build_transfer`, also for what it raises."""
        return transfer.build_transfer(account, order, now)

    def read_transfer(
        self, account: AccountView, order: TransferOrder, response: HttpResponse
    ) -> TransferOutcome:
        """What became of the transfer; pending until the payee has confirmed."""
        return transfer.read_transfer(account, order, response)

    def build_transfer_query(
        self, account: AccountView, order: TransferOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of one transfer number."""
        return transfer.build_transfer_query(account, order, now)

    def read_transfer_query(
        self, account: AccountView, order: TransferOrder, response: HttpResponse
    ) -> TransferOutcome:
        """The state of the transfer."""
        return transfer.read_transfer_query(account, order, response)

    def build_transfer_cancel(
        self, account: AccountView, order: TransferOrder, now: datetime
    ) -> HttpRequest:
        """Take back a transfer that the payee has not confirmed."""
        return transfer.build_transfer_cancel(account, order, now)

    def read_transfer_cancel(
        self, account: AccountView, order: TransferOrder, response: HttpResponse
    ) -> TransferOutcome:
        """Pending or returned; query it otherwise."""
        return transfer.read_transfer_cancel(account, order, response)

    # --- bills ----------------------------------------------------------------------------------

    def build_statement(
        self, account: AccountView, kind: str, day: date, now: datetime
    ) -> HttpRequest:
        """Ask for a day's bill."""
        return bill.build_statement(account, kind, day, now)

    def read_statement(
        self, account: AccountView, kind: str, day: date, response: HttpResponse
    ) -> StatementOutcome:
        """Where the file lies, or that there is none."""
        return bill.read_statement(account, kind, day, response)

    def read_file(
        self, account: AccountView, kind: str, day: date, ready: StatementReady, content: bytes
    ) -> Statement:
        """The lines of a bill. Raises `StatementMalformed`."""
        return bill.read_file(account, kind, day, ready, content)

    # --- keys and callbacks ---------------------------------------------------------------------

    def build_keys(
        self, account: AccountView, serial: str | None, now: datetime
    ) -> HttpRequest | None:
        """Ask for the platform certificates; None for the serial of a public key."""
        return keys.build_keys(account, serial, now)

    def read_keys(
        self, account: AccountView, response: HttpResponse, now: datetime
    ) -> Mapping[str, str]:
        """The proven certificates by serial."""
        return keys.read_keys(account, response, now)

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        """Verify and read a notification; one sent 300 s or more from `now` is stale."""
        return read_notification(account, request, now)

    def callback_reply(self, accepted: bool) -> CallbackReply:
        """The status decides: an empty 204 stops the resending, anything else asks for more."""
        if accepted:
            return CallbackReply(status=204, content_type="application/json", body=b"")
        body = b'{"code":"FAIL","message":"not accepted"}'
        return CallbackReply(status=400, content_type="application/json", body=body)

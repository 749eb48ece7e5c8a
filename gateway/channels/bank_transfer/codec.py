"""The bank transfer codec: account and reference out, statement lines in.

Law: as `gateway.channels.codec`. Nobody is asked to pay: the payer carries the reference to a bank
of his own. Money is what the account's bank has booked, never what somebody promises. A query
reads the bank's own statement over an authenticated connection and says `Paid` only where the
lines of a reference come to exactly the order's amount; everything else waits for the statement's
import, which can book parts, too much and too late. Closing asks nobody either: what still comes
is late.

Refunds are transfers of staff (a payout file, or the bank's own page): the debit's line, or a
receipt, says that they are done.
"""

import re
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from fastpath.amount import AMOUNT_MINOR_MAX
from gateway.channels.bank_statement import BankStatement
from gateway.channels.bank_transfer.camt import read_camt
from gateway.channels.bank_transfer.columns import read_columns
from gateway.channels.bank_transfer.lines import STATEMENT_BYTES_MAX, Lines, account_text
from gateway.channels.bank_transfer.references import (
    CROCKFORD,
    KINDS,
    is_prefix,
    make_reference,
    make_virtual_account,
)
from gateway.channels.codec import (
    AccountView,
    CallbackRefused,
    Closed,
    CloseOutcome,
    HandedOut,
    Paid,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    RefundOrder,
    RefundOutcome,
    RefundPending,
    Unknown,
    VerifiedCallback,
    Waiting,
)
from gateway.channels.statement import StatementMalformed
from gateway.channels.wire import CallbackReply, CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError
from gateway.domain.money import EXPONENTS

METHOD = "bank_transfer"
CURRENCY_DEFAULT = "CNY"
DAYS_ASKED_MAX = 31

_ACCOUNT = re.compile(r"[0-9A-Z]{4,34}")
_BANK_CODE = re.compile(r"[0-9A-Z]{4,14}")
_NAME_CHARS_MAX = 140
_TOKEN = re.compile(r"[\x21-\x7e]{8,512}")
_DAY = timedelta(days=1)


class BankTransferCodec:
    """See `gateway.channels.codec.Codec`, and `bank_statement.LineReading`.

    `bank_code` (BIC or CNAPS number) and `account` name the account for ever: they are part of
    what makes a line one line. Options: `currency` of the account (CNY), `reference_kind`
    (`crockford` or `rf`), `virtual_account_prefix` where the bank gives an account number for
    each order, `statement_url` and `statement_token` where it can be asked.
    """

    name = "bank_transfer"
    sandbox_path = "/bank"
    methods = frozenset({METHOD})
    currencies = frozenset(EXPONENTS)
    single_shot: frozenset[str] = frozenset()
    reversible: frozenset[str] = frozenset()
    authorizing: frozenset[str] = frozenset()
    by_hand: frozenset[str] = frozenset()
    refunds_by_hand = True
    credential_names = frozenset({"account", "account_name", "bank", "bank_code"})
    option_names = frozenset(
        {
            "currency",
            "reference_kind",
            "virtual_account_prefix",
            "statement_url",
            "statement_token",
        }
    )
    secret_names = frozenset({"statement_token"})

    def check_account(self, account: AccountView) -> None:
        """Refuse a registration that could never work.

        Raises `TillgateError` `missing_field`, `invalid_field` or `url_not_allowed`.
        """
        given = account.credentials
        for name in sorted(self.credential_names):
            if not given.get(name):
                raise TillgateError(
                    "missing_field",
                    f"A bank account needs {name}.",
                    param=f"/credentials/{name}",
                )
        rules = (
            ("account", _ACCOUNT.fullmatch(account_text(given["account"])) is not None),
            ("bank_code", _BANK_CODE.fullmatch(given["bank_code"]) is not None),
            ("account_name", len(given["account_name"]) <= _NAME_CHARS_MAX),
            ("bank", len(given["bank"]) <= _NAME_CHARS_MAX),
            ("currency", _currency(account) in EXPONENTS),
            ("reference_kind", given.get("reference_kind", CROCKFORD) in KINDS),
            ("virtual_account_prefix", is_prefix(given.get("virtual_account_prefix", "1"))),
            ("statement_token", bool(_TOKEN.fullmatch(given.get("statement_token", "-" * 8)))),
        )
        for name, is_right in rules:
            if not is_right:
                raise TillgateError(
                    "invalid_field", f"This is no {name}.", param=f"/credentials/{name}"
                )
        _check_url(given.get("statement_url"))

    def check_order(self, order: PayOrder) -> None:
        """Refuse what no bank would take."""
        if order.method != METHOD:
            raise TillgateError(
                "unsupported_method", f"A bank does not serve {order.method}.", param="/method"
            )
        if order.currency not in EXPONENTS:
            raise TillgateError(
                "unsupported_currency", "There is no such currency.", param="/currency"
            )
        if order.amount < 1:
            raise TillgateError("amount_below_minimum", "The least amount is 1.", param="/amount")
        if order.amount > AMOUNT_MINOR_MAX:
            raise TillgateError(
                "limit_exceeded", f"At most {AMOUNT_MINOR_MAX} minor units.", param="/amount"
            )

    # --- pay ------------------------------------------------------------------------------------

    def build_pay(self, account: AccountView, order: PayOrder, now: datetime) -> HandedOut:
        """The account and the reference that the payer writes; nobody is asked."""
        given = account.credentials
        reference = reference_of(account, order)
        is_virtual = "virtual_account_prefix" in given
        return HandedOut(
            next_action={
                "type": "bank_transfer",
                "account": reference if is_virtual else account_text(given["account"]),
                "account_name": given["account_name"],
                "bank": given["bank"],
                "reference": reference,
            },
            channel_order_no=reference,
        )

    def read_pay(self, account: AccountView, order: PayOrder, response: HttpResponse) -> PayOutcome:
        """Never asked."""
        return Unknown(reason="nobody is asked to pay by bank transfer")

    # --- query, close, cancel -------------------------------------------------------------------

    def build_query(
        self, account: AccountView, order: PayOrder, now: datetime
    ) -> HttpRequest | QueryOutcome:
        """Ask the bank for the statement of the order's days, where it can be asked."""
        given = account.credentials
        base = account.gateway_url or given.get("statement_url", "")
        token = given.get("statement_token")
        if not base or token is None:
            return Waiting(channel_order_no=order.channel_order_no)
        last = now + _DAY
        first = max(order.created_at - _DAY, last - DAYS_ASKED_MAX * _DAY)
        number = quote(account_text(given["account"]), safe="")
        return HttpRequest(
            method="GET",
            url=f"{base}/accounts/{number}/statement?from={first:%Y-%m-%d}&to={last:%Y-%m-%d}",
            headers=(("Accept", "application/xml"), ("Authorization", f"Bearer {token}")),
        )

    def read_query(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> QueryOutcome:
        """Paid if the lines of this reference come to exactly the amount; else wait."""
        if response.status != 200:
            return Unknown(reason=f"the bank answered HTTP {response.status}")
        try:
            statement = self.read_lines(account, response.body)
        except StatementMalformed as fault:
            return Unknown(reason=f"the bank's statement is not usable: {fault}")
        reference = reference_of(account, order)
        ours = [
            line
            for line in statement.lines
            if line.direction == "credit"
            and line.currency == order.currency
            and reference in line.candidates
        ]
        if sum(line.amount for line in ours) != order.amount:
            return Waiting(channel_order_no=reference)
        moments = [line.booked_at for line in ours if line.booked_at is not None]
        return Paid(
            channel_order_no=reference,
            amount=order.amount,
            currency=order.currency,
            paid_at=max(moments, default=None),
        )

    def build_close(self, account: AccountView, order: PayOrder, now: datetime) -> CloseOutcome:
        """Nobody is asked: from now on what comes is late."""
        return Closed(channel_order_no=order.channel_order_no)

    def read_close(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Never asked."""
        return Unknown(reason="nobody is asked to close a bank transfer")

    def build_cancel(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest:
        """Never called: no way here is reversible."""
        raise TillgateError("internal_error", "A bank transfer cannot be reversed.")

    def read_cancel(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome:
        """Never asked."""
        return Unknown(reason="nobody is asked to reverse a bank transfer")

    # --- refund ---------------------------------------------------------------------------------

    def build_refund(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> RefundOutcome:
        """Nobody is asked: staff sends the money and says so, or the statement does."""
        return RefundPending()

    def read_refund(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Never asked."""
        return Unknown(reason="nobody is asked to refund a bank transfer")

    def build_refund_query(
        self, account: AccountView, refund: RefundOrder, now: datetime
    ) -> RefundOutcome:
        """Nobody can be asked."""
        return RefundPending()

    def read_refund_query(
        self, account: AccountView, refund: RefundOrder, response: HttpResponse
    ) -> RefundOutcome:
        """Never asked."""
        return Unknown(reason="nobody is asked about refunds of bank transfers")

    # --- statements -----------------------------------------------------------------------------

    def read_lines(self, account: AccountView, content: bytes) -> BankStatement:
        """The lines of a camt file, or of one in columns. Raises `StatementMalformed`."""
        if len(content) > STATEMENT_BYTES_MAX:
            raise StatementMalformed(f"the file has more than {STATEMENT_BYTES_MAX} bytes")
        lines = Lines(account)
        number = account.credentials["account"]
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            read_camt(content, number, lines)
        else:
            read_columns(content, number, _currency(account), lines)
        return BankStatement(lines=tuple(lines.made))

    # --- callbacks ------------------------------------------------------------------------------

    def read_callback(
        self, account: AccountView, request: CallbackRequest, now: datetime
    ) -> VerifiedCallback:
        """No bank calls us: whoever does is a stranger."""
        raise CallbackRefused("malformed")

    def callback_reply(self, accepted: bool) -> CallbackReply:
        """To strangers."""
        return CallbackReply(status=404, content_type="text/plain", body=b"")


def reference_of(account: AccountView, order: PayOrder) -> str:
    """The number by which the bank's lines name an order; what was handed out once stays."""
    if order.channel_order_no is not None:
        return order.channel_order_no
    prefix = account.credentials.get("virtual_account_prefix")
    if prefix is not None:
        return make_virtual_account(prefix, order.attempt_no)
    kind = account.credentials.get("reference_kind", CROCKFORD)
    return make_reference(kind, order.attempt_no)


def _currency(account: AccountView) -> str:
    return account.credentials.get("currency", CURRENCY_DEFAULT)


def _check_url(url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    is_plain = not (parts.query or parts.fragment or parts.username)
    if parts.scheme != "https" or not parts.hostname or not is_plain or url.endswith("/"):
        raise TillgateError(
            "url_not_allowed",
            "The statement URL must be https, without user, query, fragment and slash at the end.",
            param="/credentials/statement_url",
        )

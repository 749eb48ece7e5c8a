"""Alipay's bills: asking where a day's file lies, and reading it (`trade`, `signcustomer`).

Law: as `gateway.channels.statement`. `trade` lists orders and refunds, `signcustomer` every
movement of the account's balance. A day's bill exists from 10 o'clock of the next morning in
Beijing; that it does not exist after that means that nothing moved, so before that nobody is asked:
hence the time given to `build_statement` is of the business clock, as `day` is. The address of a
file is good for 30 seconds only, and itself a secret. What a file must look like is in `bill_file`.

Source: Alipay open platform, alipay.data.dataservice.bill.downloadurl.query.
"""

from datetime import date, datetime, time, timedelta
from urllib.parse import urlsplit, urlunsplit

from gateway.channels.alipay import codes
from gateway.channels.alipay.answer import MISSING, open_answer
from gateway.channels.alipay.bill_file import Layout, read_archive
from gateway.channels.alipay.bill_lines import ACCOUNT_BILL, TRADE_BILL
from gateway.channels.alipay.dialect import BEIJING
from gateway.channels.alipay.request import call
from gateway.channels.codec import AccountView, Unknown
from gateway.channels.statement import (
    FILE_BYTES_MAX,
    NoStatement,
    Statement,
    StatementMalformed,
    StatementOutcome,
    StatementReady,
)
from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

BILL_QUERY = "alipay.data.dataservice.bill.downloadurl.query"
READY_AT = time(10, tzinfo=BEIJING)
URL_CHARS_MAX = 4096
NO_BILL = ("40004", "isp.bill_not_exist")

_LAYOUTS: dict[str, Layout] = {"trade": TRADE_BILL, "signcustomer": ACCOUNT_BILL}


class Bills:
    """See `gateway.channels.statement.Stating`."""

    statements = frozenset(_LAYOUTS)

    def build_statement(
        self, account: AccountView, kind: str, day: date, now: datetime
    ) -> HttpRequest | NoStatement:
        """Ask where the file lies. Raises `TillgateError` `invalid_field` for an unknown kind."""
        if kind not in self.statements:
            raise TillgateError("invalid_field", f"Alipay has no bill {kind}.")
        if now < datetime.combine(day + timedelta(days=1), READY_AT):
            return NoStatement(early=True)
        return call(account, BILL_QUERY, {"bill_type": kind, "bill_date": day.isoformat()}, now)

    def read_statement(
        self, account: AccountView, kind: str, day: date, response: HttpResponse
    ) -> StatementOutcome:
        """Where the file lies; none; refused (listed); or unknown."""
        answer = open_answer(account, BILL_QUERY, response, about={})
        if isinstance(answer, Unknown):
            return answer
        if (answer.code, answer.sub_code) == NO_BILL:
            return NoStatement()
        if answer.code != codes.OK:
            return codes.refusal(codes.STATEMENT, code=answer.code, sub_code=answer.sub_code)
        url = _address(answer.text("bill_download_url"), gateway_url=account.gateway_url)
        if url is None:
            return Unknown(reason=MISSING + "bill_download_url")
        return StatementReady(download=HttpRequest(method="GET", url=url))

    def read_file(
        self, account: AccountView, kind: str, day: date, ready: StatementReady, content: bytes
    ) -> Statement:
        """The lines of a downloaded file. Raises `StatementMalformed`."""
        if len(content) > FILE_BYTES_MAX:
            raise StatementMalformed("the file is too large")
        layout = _LAYOUTS[kind]
        lines = read_archive(content, layout, day=day, seller_id=account.credentials["seller_id"])
        return Statement(day=day, lines=lines)


def _address(text: str | None, *, gateway_url: str) -> str | None:
    """The address to fetch: by TLS wherever the gateway is, though Alipay writes http."""
    if text is None or len(text) > URL_CHARS_MAX or not (text.isascii() and text.isprintable()):
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return None
    if urlsplit(gateway_url).scheme == "https":
        parts = parts._replace(scheme="https")
    return urlunsplit(parts)

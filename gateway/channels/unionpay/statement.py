"""UnionPay's daily file: asked for by settlement day, and given within the answer itself.

Law: as `gateway.channels.statement`. The answer is signed and carries the file (compressed, in
base64), so the first answer shows that it is there and the download repeats the same question;
its content is verified like every answer before a byte of it is unpacked. The moment by which its
certificate is judged is that of our own request.

UnionPay's settlement day runs from 23:00 to 23:00 Beijing time; its file is there the next
morning. Source: UnionPay, platform access specification, part 3 (files); fileTransfer, txnType 76.
"""

from datetime import date, datetime, time, timedelta
from urllib.parse import parse_qsl

from gateway.channels.codec import AccountView, Unknown
from gateway.channels.crypto import decode_base64
from gateway.channels.statement import (
    FILE_BYTES_MAX,
    NoStatement,
    Statement,
    StatementMalformed,
    StatementOutcome,
    StatementReady,
)
from gateway.channels.unionpay import codes
from gateway.channels.unionpay.answer import Answer, answer_of
from gateway.channels.unionpay.dialect import BEIJING, beijing_text, moment_of
from gateway.channels.unionpay.message import (
    BIZ_OTHER,
    Kind,
    files_url,
    post,
    signed_fields,
)
from gateway.channels.unionpay.settlement_file import inflate, read_archive
from gateway.channels.unionpay.signature import TextMalformed, parse_answer
from gateway.channels.wire import HttpRequest, HttpResponse

TRADE = "trade"
FILE_KIND = Kind("76", "01", BIZ_OTHER)
FILE_TYPE = "00"
READY_AT = time(9, 0)


class Statements:
    """See `gateway.channels.statement.Stating`."""

    statements = frozenset({TRADE})

    def build_statement(
        self, account: AccountView, kind: str, day: date, now: datetime
    ) -> HttpRequest:
        """Ask for the file of a settlement day."""
        fields = {
            "settleDate": _settle_date(day),
            "txnTime": beijing_text(now),
            "fileType": FILE_TYPE,
        }
        return post(files_url(account), signed_fields(account, FILE_KIND, fields))

    def read_statement(
        self, account: AccountView, kind: str, day: date, response: HttpResponse
    ) -> StatementOutcome:
        """Ready where the answer carries the file; none where UnionPay has no such file."""
        if response.status != 200:
            return Unknown(reason=f"the channel answered HTTP {response.status}")
        if response.received_at is None:
            return Unknown(reason="the answer has no time of receipt")
        answer = _open(account, day, response.body, response.received_at)
        if isinstance(answer, Unknown):
            return answer
        if answer.code == codes.NO_FILE:
            ready = datetime.combine(day + timedelta(days=1), READY_AT, BEIJING)
            return NoStatement(early=response.received_at < ready)
        if answer.code != codes.OK:
            return codes.refusal(codes.FILE, answer.code)
        if answer.text("fileContent") is None:
            return Unknown(reason="the answer has no file")
        return StatementReady(self.build_statement(account, kind, day, response.received_at))

    def read_file(
        self, account: AccountView, kind: str, day: date, ready: StatementReady, content: bytes
    ) -> Statement:
        """The lines of the file in a downloaded answer. Raises `StatementMalformed`."""
        asked = dict(parse_qsl(ready.download.body.decode("ascii"))).get("txnTime")
        at = moment_of(asked)
        if at is None:
            raise StatementMalformed("the download is none of this channel's")
        answer = _open(account, day, content, at)
        if isinstance(answer, Unknown):
            raise StatementMalformed(answer.reason)
        packed = decode_base64(answer.fields.get("fileContent", ""), chars_max=FILE_BYTES_MAX)
        if answer.code != codes.OK or not packed:
            raise StatementMalformed("the answer has no file")
        lines = read_archive(inflate(packed), mer_id=account.credentials["mer_id"], day=day)
        return Statement(day=day, lines=lines)


def _open(account: AccountView, day: date, body: bytes, at: datetime) -> Answer | Unknown:
    try:
        fields = parse_answer(body, bytes_max=FILE_BYTES_MAX)
    except TextMalformed:
        return Unknown(reason="the answer is not readable")
    return answer_of(account, fields, at=at, about={"settleDate": _settle_date(day)})


def _settle_date(day: date) -> str:
    return f"{day.month:02d}{day.day:02d}"

"""The daily file: asked for, verified, and read whole."""

import base64
import zlib
from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.channels.codec import Refused, Unknown
from gateway.channels.statement import NoStatement, StatementMalformed, StatementReady
from gateway.channels.unionpay import UnionPayCodec
from tests.channels.unionpay.conftest import NOW, UnionPaySide, fields_of
from tests.channels.unionpay.test_settlement_file import PAYMENT, archive, line

pytestmark = pytest.mark.fast

CODEC = UnionPayCodec()
DAY = date(2026, 11, 22)
CONTENT = base64.b64encode(zlib.compress(archive(line(PAYMENT)))).decode()


def test_a_file_is_asked_for_by_settlement_day(unionpay: UnionPaySide) -> None:
    request = CODEC.build_statement(unionpay.account(), "trade", date(2026, 1, 2), NOW)
    fields = fields_of(request)
    told = {"txnType": "76", "txnSubType": "01", "settleDate": "0102", "fileType": "00"}
    assert told.items() <= fields.items()
    assert request.url == "https://filedownload.95516.com/"


def test_the_host_of_files_follows_the_gateway_or_the_account(unionpay: UnionPaySide) -> None:
    def url(**changes: Any) -> str:
        account = replace(unionpay.account(), **changes)
        return CODEC.build_statement(account, "trade", DAY, NOW).url

    test = "https://gateway.test.95516.com/gateway/api/"
    assert url(gateway_url=test) == "https://filedownload.test.95516.com/"
    assert url(gateway_url="http://127.0.0.1:1/unionpay/gateway/api/").endswith(
        "/unionpay/gateway/api/fileTransfer.do"
    )
    own = unionpay.account(file_url="https://files.example/").credentials
    assert url(credentials=own) == "https://files.example/"


def test_a_file_is_ready_and_read(unionpay: UnionPaySide) -> None:
    account = unionpay.account()
    request = CODEC.build_statement(account, "trade", DAY, NOW)
    answer = unionpay.reply(request, fileContent=CONTENT)
    ready = CODEC.read_statement(account, "trade", DAY, answer)
    assert isinstance(ready, StatementReady)
    assert fields_of(ready.download)["settleDate"] == "1122"
    again = unionpay.reply(ready.download, fileContent=CONTENT)
    statement = CODEC.read_file(account, "trade", DAY, ready, again.body)
    assert statement.day == DAY
    assert [found.amount for found in statement.lines] == [1234]


def test_there_may_be_no_file(unionpay: UnionPaySide) -> None:
    account = unionpay.account()
    request = CODEC.build_statement(account, "trade", DAY, NOW)
    answer = unionpay.reply(request, "98")
    assert CODEC.read_statement(account, "trade", DAY, answer) == NoStatement(early=True)
    next_morning = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    late = replace(answer, received_at=next_morning)
    assert CODEC.read_statement(account, "trade", DAY, late) == NoStatement()


def test_other_answers_are_refused_or_unknown(unionpay: UnionPaySide) -> None:
    account = unionpay.account()
    request = CODEC.build_statement(account, "trade", DAY, NOW)

    def outcome(answer: Any) -> Any:
        return CODEC.read_statement(account, "trade", DAY, answer)

    good = unionpay.reply(request, fileContent=CONTENT)
    assert isinstance(outcome(unionpay.reply(request, "43")), Refused)
    unknown = [
        unionpay.reply(request, "04"),
        unionpay.reply(request),
        unionpay.reply(request, settleDate="1121", fileContent=CONTENT),
        replace(good, status=503),
        replace(good, received_at=None),
        replace(good, body=good.body.replace(b"merId=7", b"merId=8")),
        replace(good, body=b"\xff"),
    ]
    for answer in unknown:
        assert isinstance(outcome(answer), Unknown)


def test_a_downloaded_file_is_verified_before_it_is_unpacked(unionpay: UnionPaySide) -> None:
    account = unionpay.account()
    request = CODEC.build_statement(account, "trade", DAY, NOW)
    answer = unionpay.reply(request, fileContent=CONTENT)
    ready = CODEC.read_statement(account, "trade", DAY, answer)
    assert isinstance(ready, StatementReady)
    bad = [
        answer.body.replace(b"fileContent=e", b"fileContent=f"),
        unionpay.reply(request, "98").body,
        unionpay.reply(request, fileContent="e30=").body,
        unionpay.reply(request, fileContent="***").body,
        unionpay.reply(request, settleDate="1121", fileContent=CONTENT).body,
        unionpay.reply(request, merId="777290000000002", fileContent=CONTENT).body,
        b"",
    ]
    for content in bad:
        with pytest.raises(StatementMalformed):
            CODEC.read_file(account, "trade", DAY, ready, content)
    foreign = StatementReady(replace(request, body=b"a=1"))
    with pytest.raises(StatementMalformed):
        CODEC.read_file(account, "trade", DAY, foreign, answer.body)

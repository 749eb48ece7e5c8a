"""Lines of the settlement files: exact, or refused."""

import io
import zipfile
import zlib
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.channels.statement import StatementLine, StatementMalformed
from gateway.channels.unionpay.settlement_file import (
    ZM_WIDTHS,
    ZME_WIDTHS,
    inflate,
    read_archive,
)
from tests.channels.unionpay.conftest import MER_ID, ORDER_NO, QUERY_ID

pytestmark = pytest.mark.fast

DAY = date(2026, 11, 22)
AT = datetime(2026, 11, 22, 14, 30, 5, tzinfo=UTC)
PAYMENT = {
    0: "S22",
    3: "123456",
    4: "1122223005",
    6: "000000001234",
    9: QUERY_ID,
    11: ORDER_NO,
    15: "D000000000007",
    16: "C000000001227",
    19: "01",
    30: "二级商户",
}
DISPUTE = {0: "E01", 3: "654321", 4: "1122223005", 6: "000000000100", 15: "D000000000100"}


def line(cells: dict[int, str], widths: tuple[int, ...] = ZM_WIDTHS) -> bytes:
    raw = [cells.get(place, "").encode("gbk") for place in range(len(widths))]
    return b" ".join(c.ljust(w) for c, w in zip(raw, widths, strict=True)) + b"\r\n"


def archive(zm: bytes, zme: bytes | None = b"", **others: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as writing:
        writing.writestr(f"INN26112288ZM_{MER_ID}", zm)
        if zme is not None:
            writing.writestr(f"INN26112288ZME_{MER_ID}", zme)
        for name, content in others.items():
            writing.writestr(name, content)
    return packed.getvalue()


def lines(zm: bytes, **changes: Any) -> tuple[StatementLine, ...]:
    return read_archive(archive(zm, **changes), mer_id=MER_ID, day=DAY)


def test_the_widths_are_those_of_the_specification() -> None:
    assert (len(ZM_WIDTHS), sum(ZM_WIDTHS)) == (42, 566)
    assert (len(ZME_WIDTHS), sum(ZME_WIDTHS)) == (22, 318)


def test_a_payment_a_capture_a_refund_and_a_void() -> None:
    capture = PAYMENT | {19: "03", 9: "2" * 21, 11: "c" * 26}
    refund = PAYMENT | {19: "04", 9: "3" * 21, 11: "d" * 26, 15: "C000000000003"}
    void = PAYMENT | {19: "31", 9: "4" * 21, 11: "f" * 32, 15: "C000000000000"}
    found = lines(b"".join(map(line, (PAYMENT, capture, refund, void))))
    assert found[0] == StatementLine(
        kind="payment",
        reference=QUERY_ID,
        number=ORDER_NO,
        channel_order_no=QUERY_ID,
        amount=1234,
        currency="CNY",
        fee=7,
        at=AT,
    )
    told = [(f.kind, f.number, f.amount, f.fee) for f in found[1:]]
    assert told == [
        ("payment", "c" * 26, 1234, 7),
        ("refund", "d" * 26, -1234, -3),
        ("other", None, -1234, 0),
    ]


def test_a_dispute_is_told_with_what_it_settles() -> None:
    found = lines(line(PAYMENT), zme=line(DISPUTE, ZME_WIDTHS))
    assert [(f.kind, f.number, f.amount, f.text) for f in found[1:]] == [
        ("other", None, -100, "dispute")
    ]


def test_an_empty_day_and_a_missing_dispute_file() -> None:
    assert lines(b"") == ()
    assert len(lines(line(PAYMENT), zme=None)) == 1


def test_the_year_is_the_settlement_days() -> None:
    last = line(PAYMENT | {4: "1231235959"})
    found = read_archive(archive(last), mer_id=MER_ID, day=date(2027, 1, 1))
    assert found[0].at == datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "zm",
    [
        line(PAYMENT)[:-2],
        line(PAYMENT)[:-3] + b"\r\n",
        line(PAYMENT) + b"x",
        b"x" + line(PAYMENT),
        line(PAYMENT) * 2,
        line(PAYMENT | {6: "0000000012.4"}),
        line(PAYMENT | {9: ""}),
        line(PAYMENT | {11: "A-1"}),
        line(PAYMENT | {15: "0000000000007"}),
        line(PAYMENT | {15: "X000000000007"}),
        line(PAYMENT | {19: "99"}),
        line(PAYMENT | {19: ""}),
        line(PAYMENT | {4: "1332223005"}),
        line(PAYMENT | {4: "1001223005"}),
        line(PAYMENT)[:10] + b"\xff" + line(PAYMENT)[11:],
        line(PAYMENT).replace(b"S22 ", b"S22x", 1),
    ],
)
def test_a_file_that_is_not_whole_is_refused(zm: bytes) -> None:
    with pytest.raises(StatementMalformed):
        lines(zm)


def test_an_archive_that_is_not_whole_is_refused() -> None:
    good = archive(line(PAYMENT))
    bad = [
        b"",
        good[:-10],
        good[:60] + bytes([good[60] ^ 1]) + good[61:],
        archive(line(PAYMENT), **{"INN26112288ZM_777290000000002": b""}),
    ]
    for content in bad:
        with pytest.raises(StatementMalformed):
            read_archive(content, mer_id=MER_ID, day=DAY)
    with pytest.raises(StatementMalformed):
        read_archive(good, mer_id="777290000000002", day=DAY)
    assert len(lines(line(PAYMENT), **{"readme.txt": b"hello"})) == 1


def test_what_is_not_compressed_as_it_should_be_is_refused() -> None:
    packed = zlib.compress(b"content" * 100)
    assert inflate(packed) == b"content" * 100
    for content in (b"", packed[:-1], packed + b"x", b"content"):
        with pytest.raises(StatementMalformed):
            inflate(content)

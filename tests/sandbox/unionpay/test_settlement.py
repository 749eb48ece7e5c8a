"""The pretend UnionPay's daily files."""

import base64
import io
import zipfile
import zlib
from typing import Any

from tests.sandbox.unionpay.test_trades import REFUND, code_of, held, paid


async def ask(merchant: Any, day: str) -> dict[str, str]:
    fields = merchant.fields("76.01.000000", settleDate=day, fileType="00", orderId=None)
    return dict(await merchant.back(fields, "fileTransfer.do"))


def files(answer: dict[str, str]) -> dict[str, bytes]:
    packed = zlib.decompress(base64.b64decode(answer["fileContent"]))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_a_day_has_a_file_once_it_is_over(merchant: Any, pay: Any, clock: Any) -> None:
    query_id = await paid(merchant, pay)
    await held(merchant, pay, "A0000002")
    await code_of(merchant, REFUND, 34, "R0000001", query_id)
    assert (await ask(merchant, "1122"))["respCode"] == "98"
    clock.advance(days=1)
    answer = await ask(merchant, "1122")
    assert (answer["respCode"], answer["settleDate"]) == ("00", "1122")
    mer_id = merchant.account["mer_id"]
    assert answer["fileName"] == f"{mer_id}_20261122.zip"
    found = files(answer)
    assert set(found) == {f"INN26112288ZM_{mer_id}", f"INN26112288ZME_{mer_id}"}
    lines = found[f"INN26112288ZM_{mer_id}"].decode("gbk").split("\r\n")
    assert lines.pop() == ""
    cells = [line.split() for line in lines]
    assert [c[0] for c in cells] == ["S22", "S30"]
    assert query_id in cells[0] and "000000001234" in cells[0] and "D000000000007" in cells[0]
    assert "R0000001" in cells[1] and "000000000034" in cells[1]
    assert {len(line) for line in lines} == {607}


async def test_a_day_without_trades_has_no_file(merchant: Any, clock: Any) -> None:
    clock.advance(days=1)
    for day in ("1122", "1121", "0230", "1299"):
        assert (await ask(merchant, day))["respCode"] == "98"


async def test_last_years_day_is_found(merchant: Any, pay: Any, clock: Any) -> None:
    await paid(merchant, pay)
    clock.advance(days=100)
    assert (await ask(merchant, "1122"))["respCode"] == "00"

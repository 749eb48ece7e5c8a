"""The tables of refusals are closed, and hold nothing that could hide money."""

import pytest

from gateway.channels.alipay import codes
from gateway.channels.codec import Refused, Unknown
from gateway.channels.meanings import MEANINGS

pytestmark = pytest.mark.fast

TABLES = {"precreate": codes.PRECREATE, "refund": codes.REFUND}
NEVER = {
    "ACQ.SYSTEM_ERROR",
    "AQC.SYSTEM_ERROR",
    "ACQ.TRADE_HAS_SUCCESS",
    "ACQ.TRADE_HAS_CLOSE",
    "ACQ.CONTEXT_INCONSISTENT",
    "ACQ.TRADE_BUYER_NOT_MATCH",
    "ACQ.TRADE_STATUS_ERROR",
    "ACQ.DISCORDANT_REPEAT_REQUEST",
    "ACQ.REFUND_CHARGE_ERROR",
    "ACQ.TRADE_NOT_EXIST",
}


@pytest.mark.parametrize("name", TABLES)
def test_every_listed_code_is_refused_with_a_known_meaning(name: str) -> None:
    for (code, sub_code), meaning in TABLES[name].items():
        refused = codes.refusal(TABLES[name], code=code, sub_code=sub_code)
        assert isinstance(refused, Refused)
        assert (refused.code, refused.channel_code) == (meaning, sub_code)
        assert refused.message == MEANINGS[meaning].message


@pytest.mark.parametrize("name", TABLES)
def test_no_code_that_could_hide_money_is_listed(name: str) -> None:
    listed = {sub_code for _, sub_code in TABLES[name]}
    assert not listed & NEVER
    assert {code for code, _ in TABLES[name]} <= {"40002", "40004", "40006"}


def test_the_unlisted_is_unknown_under_its_most_telling_code() -> None:
    unknown = codes.refusal(codes.REFUND, code="40004", sub_code="ACQ.NEW")
    assert isinstance(unknown, Unknown) and unknown.channel_code == "ACQ.NEW"
    unknown = codes.refusal(codes.REFUND, code="20000", sub_code="")
    assert isinstance(unknown, Unknown) and unknown.channel_code == "20000"

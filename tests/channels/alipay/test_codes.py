"""The tables of refusals are closed, and hold nothing that could hide money."""

import pytest

from gateway.channels.alipay import codes
from gateway.channels.codec import Refused, Unknown
from gateway.channels.meanings import MEANINGS

pytestmark = pytest.mark.fast

TABLES = {
    "precreate": codes.PRECREATE,
    "pay": codes.TRADE_PAY,
    "voucher": codes.VOUCHER,
    "freeze": codes.FREEZE,
    "capture": codes.CAPTURE,
    "refund": codes.REFUND,
    "transfer": codes.TRANSFER,
    "statement": codes.STATEMENT,
}
NEVER = {
    "ACQ.SYSTEM_ERROR",
    "AQC.SYSTEM_ERROR",
    "SYSTEM_ERROR",
    "ACQ.TRADE_HAS_SUCCESS",
    "ACQ.TRADE_HAS_CLOSE",
    "ACQ.CONTEXT_INCONSISTENT",
    "ACQ.TRADE_BUYER_NOT_MATCH",
    "ACQ.TRADE_STATUS_ERROR",
    "ACQ.DISCORDANT_REPEAT_REQUEST",
    "ACQ.REFUND_CHARGE_ERROR",
    "ACQ.PAYMENT_FAIL",
    "ACQ.PULL_MOBILE_CASHIER_FAIL",
    "PULL_MOBILE_CASHIER_FAIL",
    "UNIQUE_VIOLATION",
    "FREEZE_ALREADY_SUCCESS",
    "ORDER_ALREADY_CLOSED",
    "ORDER_ALREADY_FINISH",
    "PAYMENT_INFO_INCONSISTENCY",
    "PAYMENT_FAIL",
    "TRANSFER_ERROR",
    *codes.NOT_EXIST,
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


def test_only_interfaces_of_trades_have_the_prefix() -> None:
    for name, table in TABLES.items():
        prefixed = [sub_code.startswith("ACQ.") for code, sub_code in table if code == "40004"]
        expected = name in ("precreate", "pay", "capture", "refund")
        assert all(each == expected for each in prefixed), name


def test_what_does_not_exist_is_said_by_business_codes_only() -> None:
    for sub_code in codes.NOT_EXIST:
        assert codes.is_not_exist(code="40004", sub_code=sub_code)
        for code in ("10000", "20000", "40002"):
            assert not codes.is_not_exist(code=code, sub_code=sub_code)
    assert not codes.is_not_exist(code="40004", sub_code="")

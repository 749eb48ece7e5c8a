"""Refunds: which answers are about this refund, and what its states mean."""

import pytest

from gateway.channels.codec import Refunded, RefundPending, Refused, Unknown
from gateway.channels.wechat import refund

from .conftest import REFUND_NO
from .test_codec import refund_fields

pytestmark = pytest.mark.fast

READERS = (refund.read_refund, refund.read_refund_query)


@pytest.mark.parametrize("read", READERS)
def test_the_four_states(wechat, read) -> None:
    def found(status: str) -> object:
        answer = wechat.answer(refund_fields(status=status))
        return read(wechat.account(), wechat.refund(), answer)

    assert isinstance(found("SUCCESS"), Refunded)
    assert found("PROCESSING") == RefundPending()
    closed, abnormal = found("CLOSED"), found("ABNORMAL")
    assert isinstance(closed, Refused) and closed.code == "refund_not_allowed"
    assert isinstance(abnormal, Unknown) and abnormal.channel_code == "ABNORMAL"
    assert isinstance(found("NEW"), Unknown)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "changes",
    [
        {"out_refund_no": "other"},
        {"out_refund_no": None},
        {"out_trade_no": "other"},
        {"out_trade_no": None},
        {"amount": None},
        {"amount": {"total": 1234, "refund": 999, "currency": "CNY"}},
        {"amount": {"total": 1234, "refund": "1000", "currency": "CNY"}},
        {"amount": {"total": 1234, "refund": 1000.0, "currency": "CNY"}},
        {"amount": {"total": 1234, "refund": 1000, "currency": "USD"}},
        {"amount": 1000},
        {"status": None},
        {"status": 7},
    ],
)
def test_an_answer_that_is_not_about_this_refund_says_nothing(wechat, read, changes) -> None:
    answer = wechat.answer(refund_fields(**changes))
    assert isinstance(read(wechat.account(), wechat.refund(), answer), Unknown)


def test_a_refund_may_have_no_time(wechat) -> None:
    answer = wechat.answer(refund_fields(success_time=None))
    found = refund.read_refund(wechat.account(), wechat.refund(), answer)
    assert found == Refunded(REFUND_NO, None)


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (403, "NOT_ENOUGH", "channel_balance_short"),
        (403, "USER_ACCOUNT_ABNORMAL", "refund_not_allowed"),
        (400, "PARAM_ERROR", "channel_refused"),
        (429, "FREQUENCY_LIMITED", "channel_busy"),
    ],
)
def test_a_listed_refusal(wechat, status: int, code: str, meaning: str) -> None:
    answer = wechat.refusal(status, code)
    found = refund.read_refund(wechat.account(), wechat.refund(), answer)
    assert isinstance(found, Refused) and found.code == meaning
    asked = refund.read_refund_query(wechat.account(), wechat.refund(), answer)
    assert isinstance(asked, Unknown)

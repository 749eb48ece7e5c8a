"""What is believed to be a refusal, and above all what is not."""

import pytest

from gateway.channels.codec import Refused, Unknown
from gateway.channels.meanings import MEANINGS
from gateway.channels.wechat import codes

pytestmark = pytest.mark.fast

TABLES = {
    "prepay": codes.PREPAY,
    "codepay": codes.CODEPAY,
    "refund": codes.REFUND,
    "transfer": codes.TRANSFER,
}
# Each of these may be said of a number that has had an effect.
NEVER = (
    "SYSTEM_ERROR BANK_ERROR BANKERROR TRADE_ERROR INVALID_REQUEST OUT_TRADE_NO_USED ORDERPAID"
    " ORDER_PAID ORDER_CLOSED ORDER_REVERSED USERPAYING"
).split()


@pytest.mark.parametrize("name", TABLES)
def test_every_entry_has_a_meaning_and_a_definite_status(name: str) -> None:
    for (status, code), meaning in TABLES[name].items():
        assert meaning in MEANINGS
        assert 400 <= status < 500
        found = codes.refusal(TABLES[name], status=status, code=code)
        assert isinstance(found, Refused)
        assert (found.code, found.channel_code) == (meaning, code)
        assert found.retryable is MEANINGS[meaning].retryable


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("code", NEVER)
def test_what_proves_nothing_is_in_no_table(name: str, code: str) -> None:
    assert code not in {listed for _, listed in TABLES[name]}


@pytest.mark.parametrize("name", TABLES)
def test_a_listed_code_with_another_status_is_unknown(name: str) -> None:
    for status in (200, 202, 302, 500, 502):
        found = codes.refusal(TABLES[name], status=status, code="PARAM_ERROR")
        assert found == Unknown("the channel's code is not a listed one", "PARAM_ERROR")


def test_transfers_are_refused_for_their_form_only() -> None:
    assert set(codes.TRANSFER) == {(400, "PARAM_ERROR"), (401, "SIGN_ERROR")}
    found = codes.refusal(codes.TRANSFER, status=403, code="NOT_ENOUGH")
    assert isinstance(found, Unknown)

"""Every listed code has a meaning, and what is in doubt is in no table."""

import pytest

from gateway.channels.codec import Refused, Unknown
from gateway.channels.meanings import MEANINGS
from gateway.channels.unionpay import codes

pytestmark = pytest.mark.fast

TABLES = {
    "qr": codes.QR,
    "sms": codes.SMS,
    "consume": codes.CONSUME,
    "refund": codes.REFUND,
    "capture": codes.CAPTURE,
    "file": codes.FILE,
    "refund_failed": codes.REFUND_FAILED,
    "capture_failed": codes.CAPTURE_FAILED,
}
IN_DOUBT = ("00", "03", "04", "05", "06", "12", "34", "42", "70", "74", "75", "83", "99", "A6")


@pytest.mark.parametrize("name", TABLES)
def test_every_refusal_has_a_meaning(name: str) -> None:
    for code, meaning in TABLES[name].items():
        assert meaning in MEANINGS
        outcome = codes.refusal(TABLES[name], code)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.channel_code) == (meaning, code)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("code", [*IN_DOUBT, "", "0", "ZZ"])
def test_what_is_in_doubt_is_unknown(name: str, code: str) -> None:
    assert isinstance(codes.refusal(TABLES[name], code), Unknown)
    assert code not in codes.TRY_FAILED


@pytest.mark.parametrize("code", ["35", "36", "45", "46"])
def test_what_an_earlier_sending_may_have_caused_is_no_refusal(code: str) -> None:
    for table in (codes.REFUND, codes.CAPTURE):
        assert isinstance(codes.refusal(table, code), Unknown)

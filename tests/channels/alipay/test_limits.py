"""What is refused before a byte leaves, way by way."""

from datetime import timedelta

import pytest

from gateway.channels.alipay import AlipayCodec
from gateway.channels.alipay.limits import end_of
from gateway.domain.errors import TillgateError

pytestmark = pytest.mark.fast

CODEC = AlipayCodec()
CODE = {"auth_code": "28763443825664394"}
URL = "https://shop.example/"


@pytest.mark.parametrize(
    ("method", "changes", "code"),
    [
        ("alipay_page", {"return_url": URL + "a" * (256 - len(URL))}, None),
        ("alipay_page", {"return_url": URL + "a" * (257 - len(URL))}, "invalid_field"),
        ("alipay_wap", {"return_url": URL + "a" * 256}, "invalid_field"),
        ("alipay_qr", {"return_url": URL + "a" * 256}, None),
        ("alipay_app", {}, None),
        ("alipay_app", {"method_options": CODE}, "invalid_field"),
        ("alipay_barcode", {}, "missing_field"),
        ("alipay_barcode", {"method_options": CODE}, None),
        ("alipay_barcode", {"method_options": {"auth_code": "2" * 16}}, "invalid_field"),
        ("alipay_barcode", {"method_options": {"auth_code": "25" + "0" * 13}}, "invalid_field"),
        ("alipay_barcode", {"method_options": {"auth_code": "25" + "0" * 14}}, None),
        ("alipay_barcode", {"method_options": {"auth_code": "30" + "0" * 22}}, None),
        ("alipay_barcode", {"method_options": {"auth_code": "30" + "0" * 23}}, "invalid_field"),
        ("alipay_barcode", {"method_options": {"auth_code": "31" + "0" * 16}}, "invalid_field"),
        ("alipay_barcode", {"method_options": {"auth_code": "24" + "0" * 16}}, "invalid_field"),
        ("alipay_barcode", {"method_options": {"auth_code": "２５" + "0" * 16}}, "invalid_field"),
        ("alipay_barcode", {"method_options": {"auth_code": ""}}, "invalid_field"),
        ("alipay_preauth", {}, None),
        ("alipay_preauth", {"method_options": CODE}, None),
        ("alipay_preauth", {"method_options": {"auth_code": "x"}}, "invalid_field"),
        ("alipay_preauth", {"subject": "长" * 100}, None),
        ("alipay_preauth", {"subject": "长" * 101}, "invalid_field"),
    ],
)
def test_each_way_has_its_limits(alipay, method: str, changes: dict, code: str | None) -> None:
    order = alipay.order(method=method, **changes)
    if code is None:
        CODEC.check_order(order)
        return
    with pytest.raises(TillgateError) as caught:
        CODEC.check_order(order)
    assert caught.value.code == code
    secret = changes.get("method_options", {}).get("auth_code")
    assert not secret or secret not in caught.value.detail


def test_orders_live_for_a_minute_at_least_and_15_days_at_most(alipay) -> None:
    start = alipay.order().created_at
    longest = start + timedelta(days=15)
    CODEC.check_order(alipay.order(expires_at=longest))
    with pytest.raises(TillgateError) as caught:
        CODEC.check_order(alipay.order(expires_at=longest + timedelta(seconds=1)))
    assert (caught.value.code, caught.value.param) == ("invalid_field", "/expires_in")
    short = alipay.order(expires_at=start + timedelta(seconds=5))
    CODEC.check_order(short)
    assert end_of(short) == start + timedelta(minutes=1)
    assert end_of(alipay.order()) == alipay.order().expires_at

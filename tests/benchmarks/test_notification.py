"""Notifications of the benchmarks are those that the codec believes."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks import notification
from gateway.channels.alipay import AlipayCodec
from gateway.channels.codec import AccountView, CallbackRefused, Paid
from gateway.channels.wire import CallbackRequest

pytestmark = pytest.mark.fast

APP, SELLER, ORDER = "2021000000000001", "2088000000000001", "0123456789abcdefghjkmnpqrs"
TRADE = "20261122" + "0" * 20


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def account(key: rsa.RSAPrivateKey) -> AccountView:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    names = {"app_id": APP, "seller_id": SELLER, "alipay_public_key": pem}
    return AccountView("cac_1", "alipay", "http://127.0.0.1:9", "http://127.0.0.1:9", names)


def callback(body: bytes) -> CallbackRequest:
    headers = {"content-type": notification.MEDIA_TYPE}
    return CallbackRequest("POST", "/callbacks/alipay/cac_1", headers, body)


def test_a_payment_is_read_as_it_was_written(key: rsa.RSAPrivateKey) -> None:
    parameters = notification.paid(
        app_id=APP,
        seller_id=SELLER,
        order_no=ORDER,
        trade_no=TRADE,
        amount_fen=1_205,
        subject="Tea & 茶",
    )
    body = notification.signed_form(parameters, key)
    verified = AlipayCodec().read_callback(account(key), callback(body), datetime.now(UTC))
    assert verified.attempt_no == ORDER
    assert isinstance(verified.outcome, Paid)
    assert (verified.outcome.amount, verified.outcome.channel_order_no) == (1_205, TRADE)
    changed = body.replace(b"total_amount=12.05", b"total_amount=12.06")
    with pytest.raises(CallbackRefused, match="bad_signature"):
        AlipayCodec().read_callback(account(key), callback(changed), datetime.now(UTC))

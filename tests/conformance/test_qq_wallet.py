"""QQ Wallet beyond the conformance suite: the switch, the signature, and hostile XML."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.channels.codec import AccountView, CallbackRefused
from gateway.channels.wire import CallbackRequest
from gateway.domain.errors import TillgateError

SOURCE = Path(__file__).parents[1] / "qq_wallet"
KEY = "192006250b4c09247ec02edce69f6a2d"
# The worked example of the older WeChat Pay, whose rule for signatures this is said to be.
MEMBERS = {
    "appid": "wxd930ea5d5a258f4f",
    "mch_id": "10000100",
    "device_info": "1000",
    "body": "test",
    "nonce_str": "ibuaiVcKdpRxkhJA",
}
SIGNED = {
    "MD5": "9A0A8659F005D6984697E2CA0A9CF3B7",
    "HMAC-SHA256": "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6",
}
REAL = "https://qpay.qq.com/cgi-bin/pay"


@pytest.fixture(scope="module")
def package() -> Iterator[Any]:
    """The package's modules, imported from its source."""
    sys.path.insert(0, str(SOURCE))
    try:
        from tillgate_qq_wallet import codec, dialect

        yield SimpleNamespace(codec=codec.QqWalletCodec(), dialect=dialect)
    finally:
        sys.path.remove(str(SOURCE))
        for name in [name for name in sys.modules if name.startswith("tillgate_qq_wallet")]:
            del sys.modules[name]


def account(url: str, **more: str) -> AccountView:
    credentials = {"mch_id": "10000100", "api_key": KEY, **more}
    return AccountView("cac_1", "qq_wallet", url, "https://pay.example.com/cb", credentials)


@pytest.mark.parametrize("sign_type", SIGNED)
def test_signatures_of_the_worked_example(package: Any, sign_type: str) -> None:
    dialect = package.dialect
    assert dialect.signature(MEMBERS, key=KEY, sign_type=sign_type) == SIGNED[sign_type]
    signed = {**MEMBERS, "sign": SIGNED[sign_type], "empty": ""}
    assert dialect.is_signed(signed, key=KEY, sign_type=sign_type)
    for name in MEMBERS:
        changed = {**signed, name: signed[name] + "x"}
        assert not dialect.is_signed(changed, key=KEY, sign_type=sign_type)
    assert not dialect.is_signed(MEMBERS, key=KEY, sign_type=sign_type)


@pytest.mark.parametrize(
    "unready",
    [
        account(REAL),
        account(REAL, unconfirmed="yes"),
        account("http://127.0.0.1:8082/x", refund_url="https://refunds.example.com"),
        account("http://127.0.0.1.example.com/x"),
    ],
)
def test_real_money_needs_the_switch(package: Any, unready: AccountView) -> None:
    with pytest.raises(TillgateError, match="unconfirmed"):
        package.codec.check_account(unready)


@pytest.mark.parametrize(
    "ready",
    [
        account("http://127.0.0.1:8082/x"),
        account("http://localhost/x"),
        account(REAL, unconfirmed="accepted"),
    ],
)
def test_rehearsals_and_the_switch_pass(package: Any, ready: AccountView) -> None:
    package.codec.check_account(ready)


@pytest.mark.parametrize("given", [{"sign_type": "SHA-1"}, {"api_key": ""}, {"refund_url": "ftp:"}])
def test_unusable_credentials_are_refused(package: Any, given: dict[str, str]) -> None:
    with pytest.raises(TillgateError):
        package.codec.check_account(account("http://127.0.0.1/x", **given))


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><a>&a;</a></xml>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><a>&a;</a></xml>',
        b"<xml><a>1</a><a>2</a></xml>",
        b"<xml><a><b>1</b></a></xml>",
        b"<xml a='1'><b>1</b></xml>",
        b"<xml>text<a>1</a></xml>",
        b"<html><a>1</a></html>",
        b"<xml>" + b"<a>1</a>" * 20_000 + b"</xml>",
    ],
)
def test_hostile_xml_is_no_message(package: Any, hostile: bytes) -> None:
    assert package.dialect.from_xml(hostile) is None
    request = CallbackRequest("POST", "/callbacks/qq_wallet/cac_1", {}, hostile)
    with pytest.raises(CallbackRefused) as refused:
        package.codec.read_callback(account(REAL), request, None)
    assert refused.value.reason == "malformed"


def test_a_message_survives_its_xml(package: Any) -> None:
    members = {"body": "a<b>&\"']]>书", "total_fee": "1"}
    assert package.dialect.from_xml(package.dialect.to_xml(members)) == members

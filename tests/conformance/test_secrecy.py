"""Secrecy: a secret is recognised whole, in part and in other spellings, and never quoted."""

import json
from urllib.parse import quote_plus

import pytest

from gateway.channels.alipay import AlipayCodec
from gateway.channels.codec import AccountView
from gateway.conformance import Violation
from gateway.conformance.keys import new_merchant_key
from gateway.conformance.secrecy import SecretSigns

KEY = new_merchant_key()
ACCOUNT = AccountView(
    "cac_1", "alipay", "", "", {"merchant_private_key": KEY.private_pem, "app_id": "2021000000"}
)
SIGNS = SecretSigns(AlipayCodec(), ACCOUNT)
LINE = KEY.private_pem.splitlines()[3]


@pytest.mark.parametrize(
    "text",
    [KEY.private_pem, LINE, quote_plus(LINE), json.dumps({"key": KEY.private_pem})],
    ids=["whole", "line", "quoted", "json"],
)
def test_a_secret_is_found_and_not_quoted(text: str) -> None:
    with pytest.raises(Violation) as found:
        SIGNS.expect_none(f"before {text} after", "the text")
    assert str(found.value) == "the text shows the secret merchant_private_key"


@pytest.mark.parametrize(
    "text",
    ["", "2021000000", KEY.public_pem, repr(ACCOUNT), repr(KEY)],
    ids=["nothing", "public", "public key", "account", "key"],
)
def test_what_is_no_secret_passes(text: str) -> None:
    SIGNS.expect_none(text, "the text")


def test_a_short_secret_is_looked_for_whole() -> None:
    account = AccountView("cac_1", "alipay", "", "", {"merchant_private_key": "short-secret"})
    signs = SecretSigns(AlipayCodec(), account)
    assert signs.names == ("merchant_private_key",)
    with pytest.raises(Violation):
        signs.expect_none("a short-secret here", "the text")

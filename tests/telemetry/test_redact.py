"""Redaction: canaries of every kind die, and ordinary words live."""

import base64
import json
import os

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.telemetry import redact

CARD = "4111111111111111"
DIGITS = tuple("0123456789")
HMAC_KEY = base64.b64encode(bytes(range(32))).decode()
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----"
CANARIES = {
    "card": CARD,
    "card with hyphens": "4111-1111-1111-1111",
    "card with spaces": "4111 1111 1111 1111",
    "unionpay card": "6222021234567890128",
    "webhook secret": f"whsec_{HMAC_KEY}",
    "hmac key": HMAC_KEY,
    "private key": PEM,
    "private key cut short": PEM[:60],
    "encrypted private key": PEM.replace("PRIVATE", "ENCRYPTED PRIVATE"),
    "authorization": f'TILL1-HMAC-SHA256 mch="mch_1",key="key_1",ts="1",nonce="n",sig="{HMAC_KEY}"',
    "bearer": "Bearer abcdefghijklmnop",
    "webhook signature": f"v1,{HMAC_KEY}",
    "rsa signature": base64.b64encode(bytes(256)).decode(),
    "url with password": "postgresql://tillgate:hunter22@db.example/x",
    "query": "password=hunter22&x=1",
    "alipay sign": "app_id=1&sign=AbCdEf%2B12345&charset=utf-8",
    "json member": '{"private_key": "hunter22"}',
    "python member": "{'auth_code': 'hunter22'}",
    "pin": "pin: hunter22",
    "cashier": "GET /checkout/AbCdEfGh1234567890 404",
}
SPOKEN = {
    "card": CARD[:12],
    "card with hyphens": "4111-1111",
    "card with spaces": "4111 1111",
    "unionpay card": "62220212345",
    "authorization": HMAC_KEY,
    "webhook secret": HMAC_KEY,
    "private key": "MIIEvQIBADANBgkqhkiG9w0",
    "private key cut short": "MIIEvQIBADAN",
    "encrypted private key": "MIIEvQIBADANBgkqhkiG9w0",
    "bearer": "abcdefghijklmnop",
    "webhook signature": HMAC_KEY,
    "url with password": "hunter22",
    "query": "hunter22",
    "alipay sign": "AbCdEf",
    "json member": "hunter22",
    "python member": "hunter22",
    "pin": "hunter22",
    "cashier": "AbCdEfGh1234567890",
}
INNOCENT = (
    "pay_01m81ce819fxxs7y9zbppg87cx",
    "2026112222001400000000000001",  # a channel's order number: too long for a card
    "1700000000",
    "1732270934329",
    "the payment was signed and assigned",
    "8f14e45fceea167a5a36dedad4bea2543c6e0b8a9c1e0b8a9c1e0b8a9c1e0b8a",
    "https://pay.example.com/callbacks/alipay/cac_01m81ce7y8fxxsh5nrfv1x27k6",
    "gateway/adapters/postgres/commit.py:301 _commit",
    "1234567890123456",
    "a\tb",
    "支付成功",
)


@pytest.mark.parametrize("kind", CANARIES)
def test_a_canary_dies_in_text(kind: str) -> None:
    canary = CANARIES[kind]
    secret = SPOKEN.get(kind, canary)
    for around in ("{}", "x {} y", "merchant_order_no={}", '"{}"', "\n{}\n", "订单{}。"):
        assert secret not in redact.text(around.format(canary))


@pytest.mark.parametrize("kind", CANARIES)
def test_a_canary_dies_wherever_it_is_nested(kind: str) -> None:
    canary = CANARIES[kind]
    secret = SPOKEN.get(kind, canary)
    found = redact.value("data", {"a": [canary, {"b": (canary,)}], canary: 1, "c": {canary}})
    assert secret not in json.dumps(found, ensure_ascii=False)


@pytest.mark.parametrize(
    "name", ["a date 20261122 {}", "{} 20261122", "12 {} 34", "0-{}", "ref{}x"]
)
def test_a_card_beside_other_digits(name: str) -> None:
    for card in (CARD, "4111 1111 1111 1111", "4111-1111-1111-1111"):
        shown = redact.text(name.format(card))
        assert card[:9] not in shown
        assert shown.startswith(name.partition("{}")[0])
        assert shown[-3:] == name.format(card)[-3:]


def test_the_last_four_digits_stay() -> None:
    assert redact.text(f"order {CARD}.") == "order ************1111."
    assert redact.text("4111-1111-1111-1111") == "****-****-****-1111"
    assert redact.value("number", int(CARD)) == "************1111"


@pytest.mark.parametrize("text", INNOCENT)
def test_ordinary_words_live(text: str) -> None:
    assert redact.text(text) == text
    assert redact.value("detail", text) == text


@pytest.mark.parametrize(
    "name",
    (
        "authorization Authorization signature webhook-signature sign secret key_secret sig pin "
        "private_key merchant_private_key apiv3_key password console_password sms_code auth_code "
        "openid customer credentials secret_before PIN old_pin recovery_code kek Set-Cookie "
        "card_number token access_token"
    ).split(),
)
def test_names_that_hide_their_value(name: str) -> None:
    assert redact.value(name, "x") == redact.HIDDEN
    assert redact.value(name, {"a": 1}) == redact.HIDDEN
    assert redact.value("headers", {name: "x"}) == {name: redact.HIDDEN}
    assert redact.value(name, None) is None


@pytest.mark.parametrize("name", "design key_id assigned spin code signing_key_id status".split())
def test_names_that_do_not(name: str) -> None:
    assert redact.value(name, "x") == "x"


def test_what_is_no_plain_value() -> None:
    class Loud:
        def __str__(self) -> str:
            return f"secret={HMAC_KEY}"

        __repr__ = __str__

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(HMAC_KEY)

    assert redact.value("a", b"secret") == "<6 bytes>"
    assert HMAC_KEY not in redact.value("a", Loud())
    assert redact.value("a", Broken()) == "<Broken>"
    assert redact.value("a", KeyError(CARD)) == "KeyError"
    assert redact.value("a", float("nan")) == "nan"
    assert redact.value("a", 10**5000) == "<a very large integer>"
    assert len(redact.value("a", list(range(1000)))) == redact.MEMBERS_MAX + 1
    nested: list = []
    nested.append(nested)
    assert json.dumps(redact.value("a", nested))


@given(st.text(), st.text())
def test_a_card_never_passes(before: str, after: str) -> None:
    """Digits that touch it make it another number, which is no card's."""
    assume(before[-1:] not in DIGITS and after[:1] not in DIGITS)
    assert CARD not in redact.text(f"{before}{CARD}{after}")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_it_is_given_is_json_afterwards(found: object) -> None:
    json.dumps(redact.value("data", found), allow_nan=False).encode()


@pytest.mark.parametrize(
    "text",
    [
        "a_" * 20_000,
        "1 " * 20_000,
        "4" * 40_000,
        "-----BEGIN PRIVATE KEY-----" * 2_000,
        "://" * 10_000 + ":" * 10_000,
        "secret=" * 8_000,
        "v1," + "A" * 40_000,
        os.urandom(16).hex() * 1_000,
    ],
    ids=range(8),
)
def test_long_texts_are_cut_and_cost_little(text: str) -> None:
    """A pattern that goes back and forth would take minutes here; the suite's time-out says so."""
    assert len(redact.text(text)) <= redact.TEXT_CHARS_MAX + 1

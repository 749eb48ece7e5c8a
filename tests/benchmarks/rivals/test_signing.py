"""The rivals believe the same signatures as the gateway, and no others."""

import time

import pytest

from benchmarks.requests import Signer, authorization
from benchmarks.rivals.signing import WINDOW_S, Key, Refused, authenticated

pytestmark = pytest.mark.fast

SIGNER = Signer("mch_1", "key_1", bytes(range(32)))
KEYS = {"key_1": Key("mch_1", SIGNER.secret), "key_2": Key("mch_2", SIGNER.secret)}
BODY = b'{"amount":1}'
NONCE = "n" * 20


def header(signer: Signer = SIGNER) -> str:
    return authorization(signer, "POST", "/v1/payments", BODY, nonce=NONCE)


def who(text: str, *, target: str = "/v1/payments", body: bytes = BODY) -> str:
    return authenticated(KEYS, method="POST", target=target, header=text, body=body)


def test_a_right_signature_names_its_merchant() -> None:
    assert who(header()) == "mch_1"


@pytest.mark.parametrize(
    "signer",
    [
        SIGNER._replace(secret=bytes(32)),
        SIGNER._replace(key_id="key_3"),
        SIGNER._replace(key_id="key_2"),
        SIGNER._replace(merchant_id="mch_2"),
    ],
)
def test_a_false_one_does_not(signer: Signer) -> None:
    with pytest.raises(Refused):
        who(header(signer))


def test_what_was_changed_afterwards_is_refused() -> None:
    with pytest.raises(Refused, match="false signature"):
        who(header(), body=b'{"amount":2}')
    with pytest.raises(Refused, match="false signature"):
        who(header(), target="/v1/refunds")
    with pytest.raises(Refused, match="malformed"):
        who("")


def test_what_was_signed_long_ago_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = header()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + WINDOW_S + 2)
    with pytest.raises(Refused, match="stale"):
        who(text)

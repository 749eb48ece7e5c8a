"""The published vectors of WeChat Pay, and what must not verify next to each of them."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from gateway.channels.crypto import rsa_sha256_sign, rsa_sha256_verify
from gateway.channels.wechat import signature
from gateway.channels.wechat.signature import Seen, nonce_of, request_message, verify

from .conftest import NOW, PUBLIC_KEY_ID, private_pem, public_pem

pytestmark = pytest.mark.fast


def bit_flips(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            yield bytes(flipped)


def pairs_of(authorization: str) -> dict[str, str]:
    return dict(re.findall(r'([a-z_]+)="([^"]*)"', authorization))


# --- vectors ------------------------------------------------------------------------------------


def test_source_vector(vectors: dict) -> None:
    vector = vectors["wechat_rsa_sign_source"]
    key, message = vector["public_key"], vector["message"].encode()
    assert rsa_sha256_verify(key, message, vector["signature"])
    assert not any(rsa_sha256_verify(key, m, vector["signature"]) for m in bit_flips(message))
    raw = base64.b64decode(vector["signature"])
    for flipped in bit_flips(raw):
        assert not rsa_sha256_verify(key, message, base64.b64encode(flipped).decode())


def test_authorization_vector(vectors: dict) -> None:
    vector = vectors["wechat_authorization"]
    pairs = pairs_of(vector["authorization"])
    method, target, timestamp, nonce, body, end = vector["message"].split("\n")
    assert end == ""
    message = request_message(
        method=method,
        target=target,
        timestamp=int(pairs["timestamp"]),
        nonce=pairs["nonce_str"],
        body=body.encode(),
    )
    assert message.decode() == vector["message"]
    assert (timestamp, nonce) == (pairs["timestamp"], pairs["nonce_str"])
    assert rsa_sha256_verify(vector["public_key"], message, pairs["signature"])
    parts = vector["message"].split("\n")
    for at in range(5):
        other = [*parts[:at], parts[at] + "x", *parts[at + 1 :]]
        assert not rsa_sha256_verify(
            vector["public_key"], "\n".join(other).encode(), pairs["signature"]
        )
    reordered = "\n".join([parts[1], parts[0], *parts[2:]]).encode()
    assert not rsa_sha256_verify(vector["public_key"], reordered, pairs["signature"])


def go_notification(vectors: dict) -> tuple[dict[str, str], bytes, str, datetime]:
    vector = vectors["wechat_notify_go"]
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    sent_at = datetime.fromtimestamp(int(headers["wechatpay-timestamp"]), UTC)
    return headers, vector["body"].encode(), vector["certificate"], sent_at


def test_notification_vector(vectors: dict) -> None:
    headers, body, certificate, sent_at = go_notification(vectors)
    asked: list[tuple[str, datetime]] = []

    def key_of(serial: str, moment: datetime) -> str:
        asked.append((serial, moment))
        return certificate

    now = sent_at + timedelta(seconds=299)
    seen = verify(headers, body, key_of=key_of, now=now)
    assert seen == Seen(None, sent_at, "D7CE59D1F522D701")
    assert asked == [("D7CE59D1F522D701", now)]


def test_every_flipped_bit_of_the_vectors_signature_is_refused(vectors: dict) -> None:
    headers, body, certificate, sent_at = go_notification(vectors)
    raw = base64.b64decode(headers["wechatpay-signature"])
    for flipped in bit_flips(raw):
        spoiled = headers | {"wechatpay-signature": base64.b64encode(flipped).decode()}
        seen = verify(spoiled, body, key_of=lambda *_: certificate, now=sent_at)
        assert seen.fault == "bad_signature"


def test_every_flipped_bit_of_the_vectors_message_is_refused(vectors: dict) -> None:
    headers, body, certificate, _ = go_notification(vectors)

    def fault(headers: dict[str, str], body: bytes) -> str | None:
        return verify(headers, body, key_of=lambda *_: certificate, now=None).fault

    assert fault(headers, body) is None
    assert all(fault(headers, flipped) for flipped in bit_flips(body))
    for name in ("wechatpay-nonce", "wechatpay-timestamp"):
        for flipped in bit_flips(headers[name].encode()):
            spoiled = headers | {name: flipped.decode("latin-1")}
            assert fault(spoiled, body), (name, flipped)


# --- answers and notifications ------------------------------------------------------------------


@pytest.mark.parametrize("body", [b'{"code_url":"weixin://x"}', b""])
def test_a_genuine_message_verifies_under_the_key_it_names_only(wechat, body: bytes) -> None:
    headers = wechat.headers(body)
    right, wrong = public_pem(wechat.public_key), public_pem(wechat.platform_key)
    seen = verify(headers, body, key_of=_only(right), now=NOW)
    assert seen.fault is None and seen.sent_at == NOW.replace(microsecond=0)
    assert verify(headers, body, key_of=lambda *_: wrong, now=NOW).fault == "bad_signature"
    assert verify(headers, body, key_of=lambda *_: "no key", now=NOW).fault == "bad_signature"
    unknown = verify(headers, body, key_of=lambda *_: None, now=NOW)
    assert unknown == Seen("unknown_serial", serial=PUBLIC_KEY_ID)


def _only(pem: str):
    return lambda serial, moment: pem if serial == PUBLIC_KEY_ID else None


@pytest.mark.parametrize(
    ("offset", "fault"),
    [
        (timedelta(0), None),
        (timedelta(seconds=299, microseconds=999_999), None),
        (timedelta(seconds=300), "stale"),
        (timedelta(days=4000), "stale"),
        (-timedelta(seconds=299), None),
        (-timedelta(seconds=300), "stale"),
    ],
)
def test_a_message_is_worth_something_for_five_minutes(wechat, offset, fault) -> None:
    sent_at = NOW.replace(microsecond=0)
    headers = wechat.headers(b"{}", at=sent_at)
    key = public_pem(wechat.public_key)
    assert verify(headers, b"{}", key_of=_only(key), now=sent_at + offset).fault == fault
    assert verify(headers, b"{}", key_of=_only(key), now=None).fault is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"wechatpay-signature": None}, "unsigned"),
        ({"wechatpay-nonce": None}, "unsigned"),
        ({"wechatpay-timestamp": None}, "unsigned"),
        ({"wechatpay-serial": None}, "unsigned"),
        ({"wechatpay-signature": ""}, "unsigned"),
        ({"wechatpay-timestamp": "١٧٠٠٠٠٠٠٠٠"}, "bad_signature"),
        ({"wechatpay-timestamp": "-1"}, "bad_signature"),
        ({"wechatpay-timestamp": "9" * 13}, "bad_signature"),
        ({"wechatpay-timestamp": "9" * 12}, "bad_signature"),
        ({"wechatpay-serial": "a b"}, "bad_signature"),
        ({"wechatpay-serial": "s" * 200}, "bad_signature"),
        ({"wechatpay-signature-type": "WECHATPAY2-SM2-WITH-SM3"}, "bad_signature"),
        ({"wechatpay-nonce": "other"}, "bad_signature"),
        ({"wechatpay-nonce": "\ud800"}, "bad_signature"),
        ({"wechatpay-signature": "not base64"}, "bad_signature"),
        ({"wechatpay-signature-type": None}, None),
    ],
)
def test_spoiled_headers(wechat, changes: dict, fault: str | None) -> None:
    headers = {**wechat.headers(b"{}"), **changes}
    headers = {name: value for name, value in headers.items() if value is not None}
    key = public_pem(wechat.public_key)
    assert verify(headers, b"{}", key_of=lambda *_: key, now=NOW).fault == fault


def test_a_probe_and_a_sha1_signature_never_verify(wechat) -> None:
    headers = wechat.headers(b"{}")
    key = public_pem(wechat.public_key)
    text = f"{headers['wechatpay-timestamp']}\n{headers['wechatpay-nonce']}\n{{}}\n".encode()
    for spoiled in (
        "WECHATPAY/SIGNTEST/" + headers["wechatpay-signature"],
        wechat.sign(text, algorithm=hashes.SHA1()),
        headers["wechatpay-signature"] + "\n",
        headers["wechatpay-signature"].rstrip("="),
    ):
        seen = verify(
            headers | {"wechatpay-signature": spoiled}, b"{}", key_of=lambda *_: key, now=NOW
        )
        assert seen.fault == "bad_signature"


# --- what we sign -------------------------------------------------------------------------------


def test_a_nonce_belongs_to_its_arguments() -> None:
    nonce = nonce_of("pay", "A-1", at=NOW)
    assert re.fullmatch(r"[0-9a-f]{32}", nonce)
    assert nonce == nonce_of("pay", "A-1", at=NOW)
    others = {
        nonce_of("query", "A-1", at=NOW),
        nonce_of("pay", "A-2", at=NOW),
        nonce_of("pay", "A-1", at=NOW + timedelta(microseconds=1)),
    }
    assert len(others | {nonce}) == 4


def test_client_calls_are_signed_over_their_four_lines(wechat) -> None:
    pem, public = private_pem(wechat.merchant_key), wechat.merchant_key.public_key()
    arguments = {"appid": "wx1", "timestamp": 1_700_000_000, "nonce": "n", "prepay_id": "wx2"}
    for sign, last in ((signature.sign_jsapi, "prepay_id=wx2"), (signature.sign_app, "wx2")):
        raw = base64.b64decode(sign(pem, **arguments))
        message = f"wx1\n1700000000\nn\n{last}\n".encode()
        public.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())


def test_authorization_names_all_five_parts(wechat) -> None:
    message = b"GET\n/\n1\nn\n\n"
    pem = private_pem(wechat.merchant_key)
    header = signature.authorization(pem, message, mchid="19", serial="AB", timestamp=1, nonce="n")
    scheme, _, rest = header.partition(" ")
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    expected = {
        "mchid": "19",
        "nonce_str": "n",
        "timestamp": "1",
        "serial_no": "AB",
        "signature": rsa_sha256_sign(pem, message),
    }
    assert pairs_of(rest) == expected

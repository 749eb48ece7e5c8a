"""Registration: what may become of merchants and keys, without a database."""

from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from gateway.domain import registration
from gateway.domain.errors import TillgateError
from gateway.domain.merchant import ChannelAccount, Key, Merchant

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
MCH = "mch_01jd3x0000e008000000000000"
MERCHANT = Merchant(id=MCH, ref="M-1", name="Shop", created_at=NOW)
KEY = Key(
    id="key_01jd3x0000e008000000000000",
    merchant_id=MCH,
    ref="~abc",
    algorithm="hmac-sha256",
    secret=b"canary-canary-canary-canary-1234",
    scopes=frozenset({"b", "a"}),
    created_at=NOW,
)
ACCOUNT = ChannelAccount(
    id="cac_01jd3x0000e008000000000000",
    merchant_id=MCH,
    ref="C-1",
    channel="alipay",
    methods=("alipay_qr",),
    credentials={"merchant_private_key": "canary"},
    created_at=NOW,
)
SPKI = PublicFormat.SubjectPublicKeyInfo


def code_of(work, *arguments, **named) -> tuple[str, str | None]:
    with pytest.raises(TillgateError) as caught:
        work(*arguments, **named)
    return caught.value.code, caught.value.param


def test_views_and_lines_hold_no_secret() -> None:
    for view, line, value in (
        (registration.view_merchant, registration.merchant_line, MERCHANT),
        (registration.view_key, registration.key_line, KEY),
        (registration.view_account, registration.account_line, ACCOUNT),
    ):
        told = line(value, "created")
        assert "canary" not in str(view(value))
        assert b"canary" not in told.data
        assert "canary" not in repr(value)
        assert (told.object_id, told.object_version) == (value.id, 1)
    assert registration.view_merchant(MERCHANT)["merchant_ref"] == "M-1"
    assert registration.view_key(KEY)["key_ref"] is None
    assert registration.view_key(KEY)["scopes"] == ["a", "b"]


def test_changes_are_versioned_and_idempotent() -> None:
    suspended = registration.with_status(MERCHANT, "suspended")
    assert (suspended.status, suspended.version) == ("suspended", 2)
    assert registration.with_status(suspended, "suspended") is suspended
    revoked = registration.revoked(KEY)
    assert (revoked.status, revoked.version) == ("revoked", 2)
    assert registration.revoked(revoked) is revoked
    house = replace(MERCHANT, house=True)
    assert code_of(registration.with_status, house, "suspended") == ("invalid_state", None)


def test_rooms() -> None:
    registration.check_key_room(KEY, 1)
    assert code_of(registration.check_key_room, KEY, 2)[0] == "too_many_keys"
    registration.check_account_room(63)
    assert code_of(registration.check_account_room, 64)[0] == "limit_exceeded"


def test_networks() -> None:
    read = registration.read_networks
    assert read(["10.0.0.0/8", "::1", "203.0.113.9"]) == (
        ip_network("10.0.0.0/8"),
        ip_network("::1/128"),
        ip_network("203.0.113.9/32"),
    )
    for text in ("10.0.0.1/8", "10.0.0", "", "example.org", "10.0.0.0/33"):
        assert code_of(read, ["::1", text]) == ("invalid_field", "/ip_allow/1")
    assert code_of(read, ["::1"] * 65) == ("invalid_field", "/ip_allow")


def test_public_keys() -> None:
    ed = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = ed.public_bytes(Encoding.PEM, SPKI).decode()
    assert registration.read_public_key(pem, "ed25519") == ed.public_bytes(
        Encoding.Raw, PublicFormat.Raw
    )
    good = rsa.generate_private_key(65537, 2048).public_key()
    pem = good.public_bytes(Encoding.PEM, SPKI).decode()
    assert registration.read_public_key(f"\n{pem}\n", "rsa2048") == good.public_bytes(
        Encoding.DER, SPKI
    )
    pkcs1 = good.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    for text in (pkcs1, "", "é", pem * 20):
        assert code_of(registration.read_public_key, text, "rsa2048") == (
            "invalid_field",
            "/public_key",
        )


def test_keys_under_which_anybody_can_sign_are_refused() -> None:
    for raw in (bytes(32), b"\x01" + bytes(31)):
        weak = ed25519.Ed25519PublicKey.from_public_bytes(raw)
        pem = weak.public_bytes(Encoding.PEM, SPKI).decode()
        assert code_of(registration.read_public_key, pem, "ed25519")[0] == "invalid_field"


def test_digests_tell_public_keys_apart() -> None:
    digest = registration.public_digest
    first = replace(KEY, algorithm="ed25519", secret=b"a" * 32)
    assert digest(KEY) is None
    assert digest(first) == digest(replace(first, id="key_2", merchant_id="mch_2"))
    assert digest(first) != digest(replace(first, secret=b"b" * 32))
    assert digest(first) != digest(replace(first, algorithm="rsa2048"))


def test_credentials() -> None:
    def check(**credentials: str):
        return registration.check_credentials(
            credentials, required=frozenset({"id"}), optional=frozenset({"code"})
        )

    check(id="1")
    check(id="1", code="2")
    assert code_of(check, **{"id": "1", "a/~b": "x"}) == (
        "unknown_field",
        "/credentials/a~1~0b",
    )
    assert code_of(check, code="2") == ("missing_field", "/credentials/id")
    assert code_of(check, id="") == ("invalid_field", "/credentials/id")
    assert code_of(check, id="x" * 16_385) == ("invalid_field", "/credentials/id")


def test_methods() -> None:
    served = frozenset({"a", "b"})
    assert registration.check_methods(["b", "a", "b"], served) == ("b", "a")
    assert code_of(registration.check_methods, [], served) == ("missing_field", "/methods")
    assert code_of(registration.check_methods, ["a", "c"], served) == (
        "unsupported_method",
        "/methods/1",
    )

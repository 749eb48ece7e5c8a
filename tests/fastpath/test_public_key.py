"""Ed25519 and RSA: a bad signature is False, a bad key is a ValueError."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fastpath import _public_key
from fastpath.signature import (
    PUBLIC_KEYS_CACHED_MAX,
    build_message,
    verify_ed25519,
    verify_rsa2048_sha256,
)

pytestmark = pytest.mark.fast

SEED = bytes(range(32))
P = 2**255 - 19


def der(key: Any, format_: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, format_)


# --- Ed25519 -----------------------------------------------------------------------------------


def test_ed25519_vector(own_pay1: dict[str, Any]) -> None:
    vector = own_pay1["ed25519"]
    public = base64.b64decode(vector["public_key_b64"])
    made = base64.b64decode(vector["signature_b64"])
    parts = [own_pay1[name].encode() for name in ("method", "target", "timestamp", "nonce", "body")]
    message = build_message(*parts)
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed_hex"]))
    assert private.public_key().public_bytes_raw() == public
    assert private.sign(message) == made
    assert verify_ed25519(public, message, made) is True
    assert verify_ed25519(public, message[:-1], made) is False


def test_ed25519_signature_of_another_shape_is_false() -> None:
    private = Ed25519PrivateKey.from_private_bytes(SEED)
    public, made = private.public_key().public_bytes_raw(), private.sign(b"m")
    assert verify_ed25519(public, b"m", made) is True
    # The same S plus the order of the group: one more text for one signature (RFC 8032 5.1.7).
    order = 2**252 + 27742317777372353535851937790883648493
    malleable = (int.from_bytes(made[32:], "little") + order).to_bytes(32, "little")
    for wrong in (b"", made[:-1], made + b"\0", bytes(64), b"\xff" * 64, made[:32] + malleable):
        assert verify_ed25519(public, b"m", wrong) is False


@pytest.mark.parametrize("size", [0, 31, 33, 44, 64])
def test_ed25519_key_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="must be 32 bytes"):
        verify_ed25519(bytes(size), b"m", bytes(64))


Y_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


@pytest.mark.parametrize("y", [0, 1, P - 1, Y_8, P - Y_8])
@pytest.mark.parametrize("sign", [0, 1])
def test_ed25519_key_under_which_anybody_signs(y: int, sign: int) -> None:
    public = (y | sign << 255).to_bytes(32, "little")
    with pytest.raises(ValueError, match="small order"):
        verify_ed25519(public, b"m", bytes(64))
    # The reason: without that check the identity and zero are a signature of many messages.
    forged = (1).to_bytes(32, "little") + bytes(32)
    taken = 0
    for number in range(200):
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(forged, b"%d" % number)
        except Exception:
            continue
        taken += 1
    assert taken > 0


@pytest.mark.parametrize("y", [2, P, P + 1, 2**255 - 1])
def test_ed25519_key_off_the_curve_or_not_canonical(y: int) -> None:
    with pytest.raises(ValueError, match="not a canonical point"):
        verify_ed25519(y.to_bytes(32, "little"), b"m", bytes(64))


def test_every_true_ed25519_key_is_taken() -> None:
    for number in range(200):
        private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
        public = private.public_key().public_bytes_raw()
        assert verify_ed25519(public, b"m", private.sign(b"m")) is True


# --- RSA ---------------------------------------------------------------------------------------


def test_rsa_signature(rsa_key: RSAPrivateKey) -> None:
    public = der(rsa_key)
    made = rsa_key.sign(b"m", PKCS1v15(), SHA256())
    assert verify_rsa2048_sha256(public, b"m", made) is True
    assert verify_rsa2048_sha256(public, b"n", made) is False
    sha1 = rsa_key.sign(b"m", PKCS1v15(), SHA1())
    for wrong in (b"", made[:-1], made + b"\0", b"\0" + made, bytes(256), b"\xff" * 256, sha1):
        assert verify_rsa2048_sha256(public, b"m", wrong) is False


def test_rsa_signature_is_below_the_modulus(rsa_key: RSAPrivateKey) -> None:
    made = int.from_bytes(rsa_key.sign(b"m", PKCS1v15(), SHA256()), "big")
    larger = made + rsa_key.public_key().public_numbers().n
    if larger < 2**2048:  # it fits for some keys only; where it does, it must be refused
        wrong = larger.to_bytes(256, "big")
        assert verify_rsa2048_sha256(der(rsa_key), b"m", wrong) is False


@pytest.mark.parametrize("bits", [1024, 2047, 2049, 3072])
def test_rsa_key_has_2048_bits(bits: int) -> None:
    numbers = rsa.RSAPublicNumbers(e=65537, n=2 ** (bits - 1) + 15)
    public = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match="exactly 2048 bits"):
        verify_rsa2048_sha256(public, b"m", bytes(256))


def test_rsa_key_has_one_encoding(rsa_key: RSAPrivateKey) -> None:
    whole = der(rsa_key)
    pem = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for wrong in (b"", whole[:-1], whole + b"\0", pem, der(rsa_key, PublicFormat.PKCS1), SEED):
        with pytest.raises(ValueError, match="not a SubjectPublicKeyInfo"):
            verify_rsa2048_sha256(wrong, b"m", bytes(256))


def test_other_kinds_of_key_are_refused() -> None:
    for other in (ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate()):
        with pytest.raises(ValueError, match="not an RSA key"):
            verify_rsa2048_sha256(der(other), b"m", bytes(256))


# --- both --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [None, "text", bytearray(32), memoryview(bytes(32)), 1])
def test_only_bytes_are_taken(rsa_key: RSAPrivateKey, wrong: Any) -> None:
    ed25519 = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    for verify, key, name in (
        (verify_ed25519, ed25519, "public_key"),
        (verify_rsa2048_sha256, der(rsa_key), "public_key_der"),
    ):
        good = (key, b"m", bytes(64))
        for index, argument in enumerate((name, "message", "signature")):
            changed = [*good[:index], wrong, *good[index + 1 :]]
            with pytest.raises(TypeError) as caught:
                verify(*changed)
            assert str(caught.value) == f"{argument} must be bytes, not {type(wrong).__name__}"


def test_loaded_keys_are_bounded() -> None:
    for load in (_public_key._load_ed25519, _public_key._load_rsa2048):
        assert load.cache_info().maxsize == PUBLIC_KEYS_CACHED_MAX


def test_a_refused_key_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="small order"):
            verify_ed25519(bytes(32), b"m", bytes(64))

"""RSA keys in every accepted spelling, and signatures that only SHA-256 makes."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from gateway.channels import crypto
from gateway.channels.crypto import KeyUnusable

pytestmark = pytest.mark.fast

MESSAGE = b"amount=1.00"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS8 = serialization.PrivateFormat.PKCS8
PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PKCS1_PUBLIC = serialization.PublicFormat.PKCS1
PLAIN = serialization.NoEncryption()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a channel")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 7, start, start + timedelta(days=1)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM).decode()


def bare(der: bytes, width: int = 0) -> str:
    text = base64.b64encode(der).decode()
    if not width:
        return text
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


def spellings(key: rsa.RSAPrivateKey) -> tuple[dict[str, str], dict[str, str]]:
    public = key.public_key()
    privates = {
        "pkcs8 pem": key.private_bytes(PEM, PKCS8, PLAIN).decode(),
        "pkcs1 pem": key.private_bytes(PEM, PKCS1, PLAIN).decode(),
        "pkcs8 bare": bare(key.private_bytes(DER, PKCS8, PLAIN)),
        "pkcs1 bare": bare(key.private_bytes(DER, PKCS1, PLAIN)),
        "pkcs8 bare lines": "\n" + bare(key.private_bytes(DER, PKCS8, PLAIN), 64) + "\r\n",
    }
    publics = {
        "spki pem": public.public_bytes(PEM, SPKI).decode(),
        "pkcs1 pem": public.public_bytes(PEM, PKCS1_PUBLIC).decode(),
        "spki bare": bare(public.public_bytes(DER, SPKI)),
        "pkcs1 bare": bare(public.public_bytes(DER, PKCS1_PUBLIC)),
        "certificate": certificate(key),
        "crlf": public.public_bytes(PEM, SPKI).decode().replace("\n", "\r\n"),
    }
    return privates, publics


def test_every_spelling_is_the_same_key(key: rsa.RSAPrivateKey) -> None:
    privates, publics = spellings(key)
    signatures = {crypto.rsa_sha256_sign(text, MESSAGE) for text in privates.values()}
    assert len(signatures) == 1
    signature = signatures.pop()
    for name, text in publics.items():
        assert crypto.rsa_sha256_verify(text, MESSAGE, signature), name
        assert not crypto.rsa_sha256_verify(text, MESSAGE + b"0", signature), name


def test_loaded_keys_are_remembered_within_a_bound(key: rsa.RSAPrivateKey) -> None:
    privates, publics = spellings(key)
    private, public = privates["pkcs8 bare"], publics["spki bare"]
    assert crypto.rsa_private_key(private) is crypto.rsa_private_key(private)
    assert crypto.rsa_public_key(public) is crypto.rsa_public_key(public)
    for cached in (crypto._private_key, crypto._public_key):
        assert cached.cache_parameters()["maxsize"] == crypto.KEYS_CACHED_MAX


def test_another_digest_or_padding_is_refused(key: rsa.RSAPrivateKey) -> None:
    public = spellings(key)[1]["spki pem"]
    sha1 = key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA1())
    pss = key.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    for raw in (sha1, pss):
        signature = base64.b64encode(raw).decode()
        assert not crypto.rsa_sha256_verify(public, MESSAGE, signature)


def test_a_signature_has_one_spelling(key: rsa.RSAPrivateKey) -> None:
    privates, publics = spellings(key)
    good = crypto.rsa_sha256_sign(privates["pkcs8 pem"], MESSAGE)
    assert good.endswith("==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    unused_bits = good[:-3] + alphabet[alphabet.index(good[-3]) ^ 1] + "=="
    others = [
        unused_bits,
        good[:-1],
        good + "=",
        good + "\n",
        " " + good,
        good[:9] + "\n" + good[9:],
    ]
    others += ["", "=", "é", good * 20, good.replace("+", "-").replace("/", "_") + "é"]
    for other in others:
        assert not crypto.rsa_sha256_verify(publics["spki pem"], MESSAGE, other), other


def test_unusable_keys_are_named_but_not_quoted(key: rsa.RSAPrivateKey) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    locked = key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"x")).decode()
    privates = [
        "",
        "c2VjcmV0LXRleHQ=",
        "secret-text",
        "-----BEGIN PRIVATE KEY-----\nsecret-text\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nsécret",
        locked,
        elliptic.private_bytes(PEM, PKCS8, PLAIN).decode(),
        small.private_bytes(PEM, PKCS8, PLAIN).decode(),
        spellings(key)[1]["spki pem"],
        "A" * (crypto.KEY_TEXT_CHARS_MAX + 1),
    ]
    for text in privates:
        with pytest.raises(KeyUnusable) as caught:
            crypto.rsa_private_key(text)
        assert "cret" not in str(caught.value)
    publics = [
        "",
        "c2VjcmV0",
        elliptic.public_key().public_bytes(PEM, SPKI).decode(),
        small.public_key().public_bytes(PEM, SPKI).decode(),
        spellings(key)[0]["pkcs8 pem"],
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    ]
    for text in publics:
        with pytest.raises(KeyUnusable):
            crypto.rsa_public_key(text)
        with pytest.raises(KeyUnusable):
            crypto.rsa_sha256_verify(text, MESSAGE, "AAAA")


def test_a_certificate_of_an_unknown_version_is_unusable(key: rsa.RSAPrivateKey) -> None:
    pem = certificate(key)
    der = base64.b64decode("".join(pem.splitlines()[1:-1]))
    unknown = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x06", 1)
    assert unknown != der
    lines = base64.encodebytes(unknown).decode()
    with pytest.raises(KeyUnusable):
        crypto.rsa_public_key(f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")

"""Both twins of `fastpath.rsa` against genuine signatures and every crafted padding."""

import base64
import hashlib
import importlib
import json
import pickle
import re
import resource
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fastpath._rsa_terms import PROOF_KEY, PROOF_MESSAGE, PROOF_SIGNATURE, SIGNATURE_CHARS_MAX

pytestmark = pytest.mark.fast

MESSAGE = b"amount=1.00&subject=\xe8\x8c\xb6"
BYTES = 256
ROOT = Path(__file__).parent.parent.parent
VECTORS = ROOT / "tests" / "vectors"
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
WITHOUT_NULL = bytes.fromhex("302f300b06096086480165030402010420")
WITH_LONG_LENGTHS = bytes.fromhex("308131300d060960864801650304020105000420")
SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")
SHA512_INFO = bytes.fromhex("3051300d060960864801650304020305000440")
DIGEST = hashlib.sha256(MESSAGE).digest()


def spki(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def raised(key: RSAPrivateKey, encoded: bytes) -> bytes:
    """The signature under which `encoded` comes back, whatever it is (RFC 8017 section 5.2.1)."""
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    return pow(int.from_bytes(encoded), numbers.d, modulus).to_bytes(BYTES)


def padded(
    info: bytes, digest: bytes = DIGEST, *, start: bytes = b"\0\1", end: bytes = b""
) -> bytes:
    """EMSA-PKCS1-v1_5 (RFC 8017 section 9.2) of a digest, or nearly."""
    tail = b"\0" + info + digest + end
    return start + b"\xff" * (BYTES - len(start) - len(tail)) + tail


GENUINE = padded(SHA256_INFO)

CRAFTED: dict[str, bytes] = {
    "no null": padded(WITHOUT_NULL),
    "long lengths": padded(WITH_LONG_LENGTHS),
    "other hash's name": padded(SHA512_INFO[:14] + b"\1" + SHA512_INFO[15:]),
    "sha1": padded(SHA1_INFO, hashlib.sha1(MESSAGE, usedforsecurity=False).digest()),
    "sha512": padded(SHA512_INFO, hashlib.sha512(MESSAGE).digest()),
    "no info": padded(b""),
    "block type 0": padded(SHA256_INFO, start=b"\0\0"),
    "block type 2": padded(SHA256_INFO, start=b"\0\2"),
    "first byte 1": padded(SHA256_INFO, start=b"\1\1"),
    "bytes behind": padded(SHA256_INFO, end=b"\0"),
    "garbage behind": padded(SHA256_INFO, end=bytes(range(1, 150))),
    "short filling": b"\0\1" + b"\xff" * 8 + b"\0" + SHA256_INFO + DIGEST + b"\xff" * 194,
    "no filling": b"\0\1\0" + SHA256_INFO + DIGEST + bytes(202),
    "hole in the filling": GENUINE[:50] + b"\0" + GENUINE[51:],
    "other filling": GENUINE[:50] + b"\xfe" + GENUINE[51:],
    "no end of filling": GENUINE.replace(b"\xff\0", b"\xff\xff"),
    "digest cut": padded(SHA256_INFO, DIGEST[:-1]),
    "digest of another": padded(SHA256_INFO, hashlib.sha256(b"").digest()),
    "digest in hexadecimal": padded(SHA256_INFO, DIGEST.hex().encode()),
    "nothing": bytes(BYTES),
    "one": (1).to_bytes(BYTES),
}


@pytest.fixture(scope="module")
def other_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def test_genuine_signatures_of_any_length_are_true(rsa: ModuleType, rsa_key: RSAPrivateKey) -> None:
    key = rsa.RsaPublicKey(spki(rsa_key))
    for message in (b"", b"a", bytes(55), bytes(64), bytes(range(256)) * 300):
        signature = rsa_key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        for _ in range(2):  # a key is not used up
            assert key.verify(message, signature) is True
            assert key.verify(message + b"0", signature) is False


def test_the_proof_is_genuine(rsa: ModuleType) -> None:
    assert rsa.RsaPublicKey(PROOF_KEY).verify(PROOF_MESSAGE, PROOF_SIGNATURE) is True


def test_signatures_of_a_real_channel(rsa: ModuleType) -> None:
    """Alipay's published ones; the other channels' are verified in `tests/channels`."""
    tried = 0
    for vector in json.loads((VECTORS / "alipay.json").read_text("utf-8")).values():
        if {"canonical", "sign", "public_key"} <= vector.keys():
            body = re.sub("-----[A-Z ]+-----", "", vector["public_key"])
            key = rsa.RsaPublicKey(base64.b64decode(body))
            message, signature = vector["canonical"].encode(), base64.b64decode(vector["sign"])
            assert key.verify(message, signature) is True
            assert key.verify(message + b" ", signature) is False
            tried += 1
    assert tried > 0


def test_every_flipped_bit_of_a_signature_is_refused(
    rsa: ModuleType, rsa_key: RSAPrivateKey
) -> None:
    key = rsa.RsaPublicKey(spki(rsa_key))
    signature = rsa_key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    for bit in range(BYTES * 8):
        wrong = bytearray(signature)
        wrong[bit // 8] ^= 1 << bit % 8
        assert key.verify(MESSAGE, bytes(wrong)) is False
    assert key.verify(MESSAGE, signature) is True


def test_the_maker_of_paddings_makes_genuine_ones(rsa: ModuleType, rsa_key: RSAPrivateKey) -> None:
    signature = raised(rsa_key, GENUINE)
    assert signature == rsa_key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    assert rsa.RsaPublicKey(spki(rsa_key)).verify(MESSAGE, signature) is True


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_paddings_are_refused(rsa: ModuleType, rsa_key: RSAPrivateKey, name: str) -> None:
    assert len(CRAFTED[name]) == BYTES
    if int.from_bytes(CRAFTED[name]) >= rsa_key.public_key().public_numbers().n:
        pytest.fail("the crafted block is no number below the modulus")
    key = rsa.RsaPublicKey(spki(rsa_key))
    assert key.verify(MESSAGE, raised(rsa_key, CRAFTED[name])) is False


def test_other_schemes_are_refused(rsa: ModuleType, rsa_key: RSAPrivateKey) -> None:
    key = rsa.RsaPublicKey(spki(rsa_key))
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert key.verify(MESSAGE, rsa_key.sign(MESSAGE, pss, hashes.SHA256())) is False
    for other in (hashes.SHA1(), hashes.SHA224(), hashes.SHA384(), hashes.SHA512()):
        assert key.verify(MESSAGE, rsa_key.sign(MESSAGE, padding.PKCS1v15(), other)) is False


def test_numbers_beyond_the_modulus_and_other_lengths_are_refused(
    rsa: ModuleType, rsa_key: RSAPrivateKey
) -> None:
    """s + n stands for the same number; only one spelling of it is a signature."""
    key = rsa.RsaPublicKey(spki(rsa_key))
    modulus = rsa_key.public_key().public_numbers().n
    signature = rsa_key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    number = int.from_bytes(signature)
    wrong = [b"", b"\0", signature[1:], signature[:-1], b"\0" + signature, signature + b"\0"]
    wrong += [signature + signature, modulus.to_bytes(BYTES), b"\xff" * BYTES, bytes(BYTES)]
    wrong += [(number + modulus).to_bytes(BYTES + 1), (modulus - number).to_bytes(BYTES)]
    wrong += [(modulus - 1).to_bytes(BYTES), (number + modulus).to_bytes(BYTES + 1)[-BYTES:]]
    for each in wrong:
        assert key.verify(MESSAGE, each) is False, each.hex()


def test_a_number_beyond_the_modulus_is_refused_where_it_fits(rsa: ModuleType) -> None:
    """2047 bits leave room for s + n in as many bytes as s has."""
    made = generate_private_key(public_exponent=65537, key_size=2047)
    signature = made.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    beyond = int.from_bytes(signature) + made.public_key().public_numbers().n
    key = rsa.RsaPublicKey(spki(made))
    assert key.verify(MESSAGE, signature) is True
    assert key.verify(MESSAGE, beyond.to_bytes(BYTES)) is False


def test_a_leading_zero_belongs_to_the_signature(rsa: ModuleType, rsa_key: RSAPrivateKey) -> None:
    key = rsa.RsaPublicKey(spki(rsa_key))
    signature = b"\1"
    message = b""
    for count in range(10_000):
        message = b"%d" % count
        signature = rsa_key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        if signature[0] == 0:
            break
    assert signature[0] == 0
    assert key.verify(message, signature) is True
    assert key.verify(message, signature.lstrip(b"\0")) is False


def test_keys_do_not_share_anything(
    rsa: ModuleType, rsa_key: RSAPrivateKey, other_key: RSAPrivateKey
) -> None:
    first, second = rsa.RsaPublicKey(spki(rsa_key)), rsa.RsaPublicKey(spki(other_key))
    signature = rsa_key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    for _ in range(3):
        assert first.verify(MESSAGE, signature) is True
        assert second.verify(MESSAGE, signature) is False


def test_keys_of_another_exponent_verify(rsa: ModuleType) -> None:
    made = generate_private_key(public_exponent=3, key_size=2048)
    key = rsa.RsaPublicKey(spki(made))
    signature = made.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    assert key.verify(MESSAGE, signature) is True
    assert key.verify_base64(MESSAGE, base64.b64encode(signature)) is True
    assert key.verify(MESSAGE + b"0", signature) is False


@pytest.mark.parametrize("bits", [1024, 2047, 3072])
def test_keys_of_other_sizes_verify(rsa: ModuleType, bits: int) -> None:
    """How large a key has to be is the caller's to say."""
    made = generate_private_key(public_exponent=65537, key_size=bits)
    key = rsa.RsaPublicKey(spki(made))
    signature = made.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    assert key.verify(MESSAGE, signature) is True
    assert key.verify(MESSAGE, signature[:-1] + bytes([signature[-1] ^ 1])) is False


def test_what_is_no_rsa_key_is_refused(rsa: ModuleType, rsa_key: RSAPrivateKey) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1()).public_key()
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    others = [
        b"",
        b"key",
        spki(rsa_key)[:-1],
        elliptic.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        edwards.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ]
    for der in others:
        with pytest.raises(ValueError, match=r"^der must be the public key of RSA$"):
            rsa.RsaPublicKey(der)
    # PKCS#1 in DER is another spelling of the same key.
    pkcs1 = rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    signature = rsa_key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    assert rsa.RsaPublicKey(pkcs1).verify(MESSAGE, signature) is True


@pytest.mark.parametrize("wrong", [bytearray(32), "a" * 32, None, 32])
def test_other_types_are_refused_without_their_value(
    rsa: ModuleType, rsa_key: RSAPrivateKey, wrong: Any
) -> None:
    with pytest.raises(TypeError, match=f"^der must be bytes, not {type(wrong).__name__}$"):
        rsa.RsaPublicKey(wrong)
    key = rsa.RsaPublicKey(spki(rsa_key))
    with pytest.raises(TypeError, match=r"^message must be bytes"):
        key.verify(wrong, b"")
    with pytest.raises(TypeError, match=r"^signature must be bytes"):
        key.verify(b"", wrong)
    with pytest.raises(TypeError, match=r"^message must be bytes"):
        key.verify_base64(wrong, "")
    if type(wrong) is not str:
        with pytest.raises(TypeError, match=r"^signature must be str or bytes"):
            key.verify_base64(b"", wrong)


def test_one_signature_has_one_spelling(rsa: ModuleType, rsa_key: RSAPrivateKey) -> None:
    key = rsa.RsaPublicKey(spki(rsa_key))
    signature = rsa_key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    text = base64.b64encode(signature).decode()
    assert text.endswith("==")
    for genuine in (text, text.encode()):
        assert key.verify_base64(MESSAGE, genuine) is True
        assert key.verify_base64(MESSAGE + b"0", genuine) is False
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    unused = text[:-3] + last[last.index(text[-3]) + 1] + "=="  # decodes to the same bytes
    assert base64.b64decode(unused) == signature
    wrong = ["", text[:-1], text[:-2], text + "=", text + "\n", " " + text, "\n".join((text, ""))]
    wrong += [unused, text[:-2] + "A=", text[:-2] + "AA", text[:100] + "=" + text[101:], text * 2]
    wrong += [text[:8] + "\n" + text[8:], text[:8] + "é" + text[9:], "é" * 344, "=" * 344, "===="]
    wrong += [
        base64.urlsafe_b64encode(signature).decode().replace("-", "_"),
        signature.hex(),
        "A" * 2052,
    ]
    for each in wrong:
        assert key.verify_base64(MESSAGE, each) is False, each
        assert key.verify_base64(MESSAGE, each.encode()) is False, each


@pytest.mark.parametrize("bits", [2048, 2056, 2064, 8192])
def test_every_padding_of_base64_is_read(rsa: ModuleType, bits: int) -> None:
    made = generate_private_key(public_exponent=65537, key_size=bits)
    key = rsa.RsaPublicKey(spki(made))
    text = base64.b64encode(made.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())).decode()
    assert len(text) <= SIGNATURE_CHARS_MAX
    assert key.verify_base64(MESSAGE, text) is True
    for at in (0, 1, 2, 3, len(text) // 2, len(text) - 5):
        other = "A" if text[at] != "A" else "B"
        assert key.verify_base64(MESSAGE, text[:at] + other + text[at + 1 :]) is False


def test_a_key_is_not_pickled(rsa: ModuleType) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(rsa.RsaPublicKey(PROOF_KEY))


def test_threads_may_share_a_key(rsa: ModuleType) -> None:
    key = rsa.RsaPublicKey(PROOF_KEY)
    wrong = PROOF_SIGNATURE[:-1] + b"\0"

    def verify(turn: int) -> bool:
        good, bad = (PROOF_MESSAGE, PROOF_SIGNATURE), (PROOF_MESSAGE, wrong)
        return all(
            key.verify(*(good if (turn + at) % 2 else bad)) is bool((turn + at) % 2)
            for at in range(200)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(verify, range(8)))


def test_nothing_is_kept_of_keys_and_refusals(rsa: ModuleType, rsa_key: RSAPrivateKey) -> None:
    """Ten thousand refusals and a thousand keys cost no memory that stays."""
    der = spki(rsa_key)
    key = rsa.RsaPublicKey(der)

    def work() -> int:
        for _ in range(1_000):
            rsa.RsaPublicKey(der).verify(MESSAGE, bytes(BYTES))
        for _ in range(10_000):
            key.verify(MESSAGE, b"short")
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = work()
    after = max(work(), work())
    assert after - before < 2_000  # KiB; one kept key alone takes 2


def test_a_refusal_leaves_nothing_for_ssl_to_find(rsa: ModuleType) -> None:
    """Python's `ssl` reads OpenSSL's list of errors, and must not find ours."""
    key = rsa.RsaPublicKey(PROOF_KEY)
    for wrong in (b"", bytes(BYTES), b"\xff" * BYTES, bytes(BYTES + 1)):
        assert key.verify(b"", wrong) is False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()


WITHOUT_LIBRARY = """
import base64
import sys
sys.modules["_hashlib"] = sys.modules["_ssl"] = None
from fastpath import _rsa_c, _rsa_terms as terms
assert _rsa_c.OPENSSL_DIRECT is False
key = _rsa_c.RsaPublicKey(terms.PROOF_KEY)
assert key.verify(terms.PROOF_MESSAGE, terms.PROOF_SIGNATURE) is True
assert key.verify(terms.PROOF_MESSAGE, terms.PROOF_SIGNATURE[1:]) is False
assert key.verify(b"", terms.PROOF_SIGNATURE) is False
text = base64.b64encode(terms.PROOF_SIGNATURE)
assert key.verify_base64(terms.PROOF_MESSAGE, text) is True
assert key.verify_base64(terms.PROOF_MESSAGE, text.decode()) is True
assert key.verify_base64(terms.PROOF_MESSAGE, text + b"=") is False
"""


def test_the_library_is_used_where_it_is_loaded(rsa: ModuleType) -> None:
    """What HMAC finds in this process, RSA finds too; else it runs slowly and nobody knows."""
    if rsa.__name__.endswith("_c"):
        keyed = importlib.import_module("fastpath._keyed_c")
        assert rsa.OPENSSL_DIRECT is keyed.OPENSSL_DIRECT


def test_without_the_library_cryptography_does_the_work(rsa: ModuleType) -> None:
    if not rsa.__name__.endswith("_c"):
        assert not hasattr(rsa, "OPENSSL_DIRECT")
        return
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARY], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

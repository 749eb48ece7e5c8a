"""Both twins of `fastpath.keyed` against RFC 4231, Python's own HMAC, and the forger."""

import base64
import hmac
import pickle
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.fast

SECRET = bytes(range(32))
PARTS = (b"POST", b"/v1/payments?a=1", b"1700000000", b"n" * 20, b'{"a":1}')


def code_of(secret: bytes, parts: tuple[bytes, ...]) -> bytes:
    return hmac.digest(secret, b"".join(part + b"\n" for part in parts), "sha256")


@pytest.mark.parametrize("length", [0, 1, 31, 55, 56, 63, 64, 65, 119, 120, 1000, 65_536])
def test_digest_is_hmac_sha256(keyed: ModuleType, length: int) -> None:
    message = bytes(at % 251 for at in range(length))
    key = keyed.HmacKey(SECRET)
    for _ in range(2):  # a key is not used up
        assert key.digest(message) == hmac.digest(SECRET, message, "sha256")


def test_a_genuine_request_is_verified(keyed: ModuleType) -> None:
    assert keyed.HmacKey(SECRET).verify_request(*PARTS, code_of(SECRET, PARTS)) is True


def test_the_worked_request_is_verified(keyed: ModuleType, own_pay1: dict[str, Any]) -> None:
    parts = [own_pay1[name].encode() for name in ("method", "target", "timestamp", "nonce", "body")]
    key = keyed.HmacKey(own_pay1["hmac"]["key_ascii"].encode())
    code = base64.b64decode(own_pay1["hmac"]["signature_b64"])
    assert key.verify_request(*parts, code) is True
    assert key.digest(own_pay1["message"].encode()) == code


def test_bytes_cannot_move_between_the_lines(keyed: ModuleType) -> None:
    key = keyed.HmacKey(SECRET)
    whole = (b"POST", b"/v1/a", b"1700000000", b"n", b"body")
    code = code_of(SECRET, whole)
    assert key.verify_request(*whole, code) is True
    for moved in (
        (b"POS", b"T/v1/a", b"1700000000", b"n", b"body"),
        (b"POST", b"/v1/a1", b"700000000", b"n", b"body"),
        (b"POST", b"/v1/a", b"1700000000", b"nb", b"ody"),
        (b"POST", b"/v1/a", b"1700000000", b"n", b"body\n"),
        (b"POST", b"/v1/a", b"1700000000", b"", b"n\nbody"),
    ):
        assert key.verify_request(*moved, code) is False


def test_every_flipped_bit_of_the_signature_is_refused(keyed: ModuleType) -> None:
    key, code = keyed.HmacKey(SECRET), code_of(SECRET, PARTS)
    for bit in range(256):
        wrong = bytearray(code)
        wrong[bit // 8] ^= 1 << bit % 8
        assert key.verify_request(*PARTS, bytes(wrong)) is False


def test_every_flipped_bit_of_the_request_is_refused(keyed: ModuleType) -> None:
    key, code = keyed.HmacKey(SECRET), code_of(SECRET, PARTS)
    for place, part in enumerate(PARTS):
        for bit in range(len(part) * 8):
            changed = bytearray(part)
            changed[bit // 8] ^= 1 << bit % 8
            parts = [*PARTS[:place], bytes(changed), *PARTS[place + 1 :]]
            if place < 4 and b"\n" in parts[place]:
                with pytest.raises(ValueError, match="line feed"):
                    key.verify_request(*parts, code)
            else:
                assert key.verify_request(*parts, code) is False


def test_a_code_of_another_length_is_false(keyed: ModuleType) -> None:
    key, code = keyed.HmacKey(SECRET), code_of(SECRET, PARTS)
    for wrong in (b"", code[:1], code[:-1], code + b"\0", code * 2, code.hex().encode()):
        assert key.verify_request(*PARTS, wrong) is False


def test_keys_do_not_share_anything(keyed: ModuleType) -> None:
    first, second = keyed.HmacKey(SECRET), keyed.HmacKey(bytes(32))
    assert first.digest(b"m") == hmac.digest(SECRET, b"m", "sha256")
    assert second.digest(b"m") == hmac.digest(bytes(32), b"m", "sha256")


@pytest.mark.parametrize("secret", [b"", b"s", bytes(31), bytes(33), bytes(64)])
def test_a_secret_of_another_length_is_refused(keyed: ModuleType, secret: bytes) -> None:
    with pytest.raises(ValueError, match="secret must be 32 bytes"):
        keyed.HmacKey(secret)


def test_a_key_shows_nothing(keyed: ModuleType) -> None:
    key = keyed.HmacKey(SECRET)
    assert repr(key) == str(key) == "HmacKey(…)"
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize(
    "wrong", [bytearray(32), memoryview(bytes(32)), "a" * 32, None, 32, [b"x"]]
)
def test_other_types_are_refused_without_their_value(keyed: ModuleType, wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"^secret must be bytes, not {type(wrong).__name__}$"):
        keyed.HmacKey(wrong)
    key = keyed.HmacKey(SECRET)
    with pytest.raises(TypeError, match=r"^message must be bytes"):
        key.digest(wrong)
    names = ("method", "target", "ts_text", "nonce", "body", "signature")
    genuine = [*PARTS, code_of(SECRET, PARTS)]
    for place, name in enumerate(names):
        arguments: list[Any] = [*genuine[:place], wrong, *genuine[place + 1 :]]
        with pytest.raises(TypeError, match=f"^{name} must be bytes"):
            key.verify_request(*arguments)

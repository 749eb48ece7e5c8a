"""What is encrypted: resources that WeChat sends us, and names that we send WeChat.

Law: a resource is read only if its tag is right for the account's APIv3 key, which is exactly 32
ASCII bytes (AES-256-GCM, RFC 5116). A name leaves us only under a key of WeChat (RSA-OAEP with
SHA-1, RFC 8017 section 7.1.1). OAEP wants a seed that nobody can guess; here it is derived from the
account's APIv3 key, the number and the name, so that equal instructions are equal to the byte and
nothing is drawn.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.channels.crypto import decode_base64, rsa_public_key

ALGORITHM = "AEAD_AES_256_GCM"
APIV3_KEY_BYTES = 32
CIPHERTEXT_CHARS_MAX = 1_048_576
NONCE_BYTES = 12
ASSOCIATED_BYTES_MAX = 64

_APIV3_KEY = re.compile(r"[!-~]{32}")
_SHA1_BYTES = 20


class SealBroken(ValueError):
    """The resource is not one, or was not sealed with this key."""


def is_apiv3_key(text: str) -> bool:
    """Whether `text` can be an APIv3 key: exactly 32 printable ASCII characters."""
    return _APIV3_KEY.fullmatch(text) is not None


def open_resource(resource: object, apiv3_key: str) -> bytes:
    """The plain bytes of `{algorithm, ciphertext, nonce, associated_data?}`.

    Raises `SealBroken`.
    """
    if not isinstance(resource, Mapping) or resource.get("algorithm") != ALGORITHM:
        raise SealBroken("the resource is not sealed as expected")
    if not is_apiv3_key(apiv3_key):
        raise SealBroken(f"the APIv3 key has not {APIV3_KEY_BYTES} characters")
    parts = (resource.get("ciphertext"), resource.get("nonce"))
    associated = resource.get("associated_data") or ""
    if not isinstance(associated, str) or not all(isinstance(part, str) for part in parts):
        raise SealBroken("the resource lacks a part")
    return open_sealed(
        str(parts[0]), key=apiv3_key.encode(), nonce=str(parts[1]), associated=associated
    )


def open_sealed(ciphertext: str, *, key: bytes, nonce: str, associated: str) -> bytes:
    """AES-GCM with the tag at the end of the base64 text; nonce and AAD are used as text.

    Raises `SealBroken`.
    """
    sealed = decode_base64(ciphertext, chars_max=CIPHERTEXT_CHARS_MAX)
    try:
        nonce_bytes, associated_bytes = nonce.encode("utf-8"), associated.encode("utf-8")
    except UnicodeEncodeError:
        raise SealBroken("the nonce or the associated data is no text") from None
    if sealed is None or len(nonce_bytes) != NONCE_BYTES:
        raise SealBroken("the ciphertext or the nonce is malformed")
    if len(associated_bytes) > ASSOCIATED_BYTES_MAX:
        raise SealBroken("the associated data is too long")
    try:
        return AESGCM(key).decrypt(nonce_bytes, sealed, associated_bytes)
    except (InvalidTag, ValueError):
        raise SealBroken("the tag is not right for this key") from None


def seal_text(text: str, *, public_key: str, apiv3_key: str, number: str) -> str:
    """`text` under WeChat's public key (PEM), in base64. Raises ValueError, also `KeyUnusable`.

    `number` is that of the instruction; with the text it decides the seed.
    """
    numbers = rsa_public_key(public_key).public_numbers()
    size = (numbers.n.bit_length() + 7) // 8
    message = text.encode("utf-8")
    seed = hmac.digest(apiv3_key.encode(), f"oaep\n{number}\n".encode() + message, "sha256")
    padded = _oaep(message, seed=seed[:_SHA1_BYTES], size=size)
    sealed = pow(int.from_bytes(padded, "big"), numbers.e, numbers.n)
    return base64.b64encode(sealed.to_bytes(size, "big")).decode("ascii")


def _oaep(message: bytes, *, seed: bytes, size: int) -> bytes:
    """EME-OAEP encoding with SHA-1 and an empty label (RFC 8017 section 7.1.1, step 2)."""
    room = size - 2 * _SHA1_BYTES - 2
    if len(message) > room:
        raise ValueError(f"the text is longer than {room} bytes")
    label_hash = hashlib.sha1(b"", usedforsecurity=False).digest()
    block = label_hash + b"\0" * (room - len(message)) + b"\1" + message
    masked_block = _xor(block, _mask(seed, len(block)))
    masked_seed = _xor(seed, _mask(masked_block, _SHA1_BYTES))
    return b"\0" + masked_seed + masked_block


def _mask(seed: bytes, size: int) -> bytes:
    """MGF1 with SHA-1 (RFC 8017 appendix B.2.1)."""
    count = -(-size // _SHA1_BYTES)
    blocks = (
        hashlib.sha1(seed + index.to_bytes(4, "big"), usedforsecurity=False).digest()
        for index in range(count)
    )
    return b"".join(blocks)[:size]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))

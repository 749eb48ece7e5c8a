"""Authenticate: which merchant speaks, proven by a signature, and what its key may do.

Law: whoever fails to prove who he is learns nothing: a header outside the grammar, an unknown key,
another algorithm, a wrong signature, a stale time, another merchant, a revoked or expired key and a
suspended merchant are one answer, `unauthenticated`, with one constant text. An unknown key costs
the same verification as a wrong signature. Only a proven caller is told of addresses and scopes.
The window is one of real time, also when the business clock was advanced.

The hot path is `authenticate_now`: nothing is awaited while key and merchant are in memory.
Source: /docs on signing (scheme TILL1).
"""

import base64
import hashlib
import secrets
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fastpath.keyed import HmacKey
from fastpath.request import PlainRequest
from fastpath.signature import (
    ED25519,
    HMAC_SHA256,
    RSA2048_SHA256,
    SECRET_BYTES,
    Authorization,
    SignatureMalformed,
    build_message,
    in_window,
    parse_authorization,
    verify_ed25519,
    verify_rsa2048_sha256,
)
from gateway.center.ports import Clock, Directory
from gateway.domain.access import check, is_usable
from gateway.domain.errors import TillgateError
from gateway.domain.merchant import Key, Merchant
from gateway.domain.registration import UNNAMED

ALGORITHMS = {"hmac-sha256": HMAC_SHA256, "ed25519": ED25519, "rsa2048": RSA2048_SHA256}

# Keys that nobody can sign for, so that an unknown key is verified like a known one. The RSA
# modulus is a number of 2048 bits whose factors were never kept.
_NOBODYS_RSA = base64.b64decode(
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsDlj072UEfHEFkidielPKdfl9blyzPyL8KC29x/p2bkO"
    "BY/RatHhhncWvFvwvLhfBnV1CdwW4D/aK2Dt4RMDxlwU1l7x0uAZL9NsPLnfe7c963qQMYhpmj/eHic/G4TvmfQH"
    "M9Mmor8Jr8pjLZWvoS0Z90Tp3nAZIS6dVUTFHH/wOqFBGNCMSO7QgZ/7PdjC0r0WLtw7E6JsN+7Ta7hEXM6Fb5rG"
    "17HabnnuRTAD6Q6QaEkUgHLMVRwVAEU+13E7uCtRiQRlBHSrT6uvUTUTL5ALOqhhmqtGoHMYxYfrMiq04UpDfMiN"
    "hj7NugZXHaj9nt+8qi5GkAF/S2iXmRCbLQIDAQAB"
)
_NOBODYS_SECRET = secrets.token_bytes(SECRET_BYTES)
_NOBODYS_KEYS = {
    HMAC_SHA256: _NOBODYS_SECRET,
    ED25519: Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
    RSA2048_SHA256: _NOBODYS_RSA,
}


# Half of the work of an HMAC depends on the key alone, and is done once for the keys in use.
_HMAC_KEYS_HELD_MAX = 10_000
_hmac_key = lru_cache(_HMAC_KEYS_HELD_MAX)(HmacKey)


class Caller(NamedTuple):
    """A proven caller: the merchant and the key that signed."""

    merchant: Merchant
    key: Key


def unauthenticated() -> TillgateError:
    """The one answer to everybody who has not proven who he is."""
    return TillgateError(
        "unauthenticated", "The request is not signed by a key that is valid here."
    )


class Authenticator:
    """Finds the key, verifies, and checks what the key may do."""

    def __init__(self, *, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def authenticate_now(
        self,
        *,
        method: bytes,
        target: bytes,
        authorization: bytes | None,
        body: bytes,
        address: str,
        scope: str | None,
    ) -> Caller | None:
        """The caller, or None if key or merchant must be looked up first (`authenticate`).

        `target` is the raw path and query, `body` the raw bytes, `address` the client's.
        Raises `unauthenticated`, then `ip_not_allowed` and `forbidden_scope`;
        `shard_unavailable` while nobody can know.
        """
        header = _read(authorization)
        key = self._directory.key(header.key)
        if key is None:
            return None
        merchant = self._directory.merchant(key.merchant_id)
        if merchant is None:
            return None
        return self._prove(header, key, merchant, method, target, body, address, scope)

    def authenticate_plain(
        self, request: PlainRequest, *, address: str, scope: str
    ) -> Caller | None:
        """The caller of a plain request, or None: then the careful way finds out, and says, why.

        It is for keys of HMAC in memory that need no second look (no list of addresses, no end).
        """
        try:
            header = parse_authorization(request.authorization)
            key = self._directory.key(header.key)
            merchant = None if key is None else self._directory.merchant(key.merchant_id)
        except (SignatureMalformed, TillgateError):
            return None
        if header.algorithm != HMAC_SHA256:
            return None
        is_known = key is not None and key.algorithm == "hmac-sha256"
        secret = key.secret if key is not None and is_known else _NOBODYS_SECRET
        is_right = _hmac_key(secret).verify_request(
            request.method,
            request.target,
            header.ts_text,
            header.nonce,
            request.body,
            header.sig,
        )
        if (
            key is None
            or merchant is None
            or not is_known
            or not is_right
            or not in_window(header.ts, self._clock.wall_s())
            or header.mch != merchant.id
            or merchant.status != "active"
            or key.status != "active"
            or key.expires_at is not None
            or key.ip_allow
            or scope not in key.scopes
        ):
            return None
        return Caller(merchant, key)

    async def authenticate(
        self,
        *,
        method: bytes,
        target: bytes,
        authorization: bytes | None,
        body: bytes,
        address: str,
        scope: str | None,
    ) -> Caller:
        """Like `authenticate_now`, but looks up what is not in memory."""
        header = _read(authorization)
        key = await self._directory.find_key(header.key)
        merchant = None if key is None else await self._directory.find_merchant(key.merchant_id)
        return self._prove(header, key, merchant, method, target, body, address, scope)

    def _prove(
        self,
        header: Authorization,
        key: Key | None,
        merchant: Merchant | None,
        method: bytes,
        target: bytes,
        body: bytes,
        address: str,
        scope: str | None,
    ) -> Caller:
        is_right = _verify(header, key, method, target, body)
        if (
            key is None
            or merchant is None
            or not is_right
            or not in_window(header.ts, self._clock.wall_s())
            or header.mch != merchant.id
            or merchant.status != "active"
            or key.status != "active"
            or (key.expires_at is not None and not is_usable(key, self._clock.wall()))
        ):
            raise unauthenticated()
        check(key, scope=scope, address=address)
        return Caller(merchant, key)


def _read(authorization: bytes | None) -> Authorization:
    try:
        return parse_authorization(authorization or b"")
    except SignatureMalformed:
        raise unauthenticated() from None


def _verify(
    header: Authorization, key: Key | None, method: bytes, target: bytes, body: bytes
) -> bool:
    """Whether the key signed this request; the same work whether or not there is such a key."""
    algorithm = header.algorithm
    if key is None or ALGORITHMS[key.algorithm] != algorithm:
        material, is_known = _NOBODYS_KEYS[algorithm], False
    else:
        material, is_known = key.secret, True
    try:
        if algorithm == HMAC_SHA256:
            is_right = _hmac_key(material).verify_request(
                method, target, header.ts_text, header.nonce, body, header.sig
            )
        else:
            message = build_message(method, target, header.ts_text, header.nonce, body)
            verify = verify_ed25519 if algorithm == ED25519 else verify_rsa2048_sha256
            is_right = verify(material, message, header.sig)
    except ValueError:
        return False  # a line feed where HTTP can carry none
    return is_right and is_known


def name_of_request(authorization: bytes) -> str:
    """A `ref` for a creating request that names none: equal only for its exact repeats.

    Made of what the signature covers: key, time stamp and nonce. Raises `unauthenticated`.
    """
    header = _read(authorization)
    name = b"\n".join((header.key.encode("ascii"), header.ts_text, header.nonce))
    return UNNAMED + hashlib.sha256(name).hexdigest()[:32]

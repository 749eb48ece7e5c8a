"""Registration: how merchants, keys and channel accounts begin, change and are shown.

Law: pure decisions, and views without secrets: the same view is the answer of the administration
and the data of the journal line. Every creating request has a `ref`, the operator's own number,
unique for ever (per installation for merchants, per merchant for keys and accounts); where none was
given it was made of the signed request itself, begins with `~` and is shown as null, so that an
exact repeat is harmless and every other request makes something new.

Sources: RFC 7468 (PEM), RFC 5280 (SubjectPublicKeyInfo).
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from msgspec import Struct
from msgspec.structs import replace

from fastpath.signature import verify_ed25519
from gateway.domain.errors import TillgateError
from gateway.domain.events import Line, encode, rfc3339, rfc3339_or_none
from gateway.domain.merchant import KEYS_ACTIVE_MAX, ChannelAccount, Key, Merchant

NAME_CHARS_MAX = 127
PEM_CHARS_MAX = 4096
IP_ALLOW_MAX = 64
ACCOUNTS_MAX = 64
WEIGHT_MAX = 1_000_000
PRIORITY_MAX = 1_000_000
CREDENTIAL_CHARS_MAX = 16_384
RSA_BITS = 2048
RSA_EXPONENT = 65_537
UNNAMED = "~"
MERCHANT_STATUSES = ("active", "suspended")


class Act(Struct, frozen=True):
    """Who changes the directory, at which business time, by which request."""

    actor: str
    at: datetime
    request_id: str | None


def shown_ref(ref: str) -> str | None:
    """The operator's number as it is shown: null where none was given."""
    return None if ref.startswith(UNNAMED) else ref


# --- views ----------------------------------------------------------------------------------------


def view_merchant(merchant: Merchant) -> dict[str, object]:
    """The merchant object of the administration."""
    return {
        "id": merchant.id,
        "object": "merchant",
        "merchant_ref": shown_ref(merchant.ref),
        "name": merchant.name,
        "status": merchant.status,
        "house": merchant.house,
        "timezone": merchant.timezone,
        "created_at": rfc3339(merchant.created_at),
        "version": merchant.version,
    }


def view_key(key: Key) -> dict[str, object]:
    """The key object of the administration, without its secret."""
    return {
        "id": key.id,
        "object": "key",
        "merchant_id": key.merchant_id,
        "key_ref": shown_ref(key.ref),
        "algorithm": key.algorithm,
        "scopes": sorted(key.scopes),
        "ip_allow": [str(network) for network in key.ip_allow],
        "status": key.status,
        "expires_at": rfc3339_or_none(key.expires_at),
        "created_at": rfc3339(key.created_at),
        "version": key.version,
    }


def view_account(account: ChannelAccount) -> dict[str, object]:
    """The channel account object of the administration, without its credentials."""
    return {
        "id": account.id,
        "object": "channel_account",
        "merchant_id": account.merchant_id,
        "account_ref": shown_ref(account.ref),
        "channel": account.channel,
        "methods": list(account.methods),
        "weight": account.weight,
        "priority": account.priority,
        "status": account.status,
        "created_at": rfc3339(account.created_at),
        "version": account.version,
    }


def merchant_line(merchant: Merchant, kind: str) -> Line:
    """The journal line that tells `merchant.<kind>`."""
    data = encode(view_merchant(merchant))
    return Line(f"merchant.{kind}", merchant.id, merchant.version, data)


def key_line(key: Key, kind: str) -> Line:
    """The journal line that tells `key.<kind>`."""
    return Line(f"key.{kind}", key.id, key.version, encode(view_key(key)))


def account_line(account: ChannelAccount, kind: str) -> Line:
    """The journal line that tells `channel_account.<kind>`."""
    data = encode(view_account(account))
    return Line(f"channel_account.{kind}", account.id, account.version, data)


# --- decisions ------------------------------------------------------------------------------------


def with_status(merchant: Merchant, status: str) -> Merchant:
    """The merchant in another status; itself if it is there already.

    Raises `invalid_state` for the house, which cannot be suspended.
    """
    if merchant.status == status:
        return merchant
    if merchant.house:
        raise TillgateError("invalid_state", "The house cannot be suspended.")
    return replace(merchant, status=status, version=merchant.version + 1)


def revoked(key: Key) -> Key:
    """The key without power, for good; itself if it is revoked already."""
    if key.status == "revoked":
        return key
    return replace(key, status="revoked", version=key.version + 1)


def check_key_room(key: Key, active: int) -> None:
    """Refuse with `too_many_keys` a third active key of one algorithm."""
    if active >= KEYS_ACTIVE_MAX:
        raise TillgateError(
            "too_many_keys",
            f"The merchant has {KEYS_ACTIVE_MAX} active keys of {key.algorithm}; revoke one first.",
        )


def check_account_room(count: int) -> None:
    """Refuse with `limit_exceeded` more channel accounts than a merchant may have."""
    if count >= ACCOUNTS_MAX:
        raise TillgateError(
            "limit_exceeded", f"A merchant has at most {ACCOUNTS_MAX} channel accounts."
        )


def read_networks(texts: Sequence[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks (or single addresses) of an allow-list. Raises `invalid_field`."""
    if len(texts) > IP_ALLOW_MAX:
        raise TillgateError("invalid_field", f"At most {IP_ALLOW_MAX} networks.", param="/ip_allow")
    networks = []
    for index, text in enumerate(texts):
        try:
            networks.append(ip_network(text))
        except ValueError:
            raise TillgateError(
                "invalid_field",
                "Not an address or a network like 203.0.113.0/24 (host bits zero).",
                param=f"/ip_allow/{index}",
            ) from None
    return tuple(networks)


def read_public_key(pem: str, algorithm: str) -> bytes:
    """What a PEM public key is stored as: 32 raw bytes of Ed25519, or the DER of an RSA key.

    Raises `invalid_field` for anything but one `PUBLIC KEY` block with a key of this algorithm;
    RSA keys have exactly 2048 bits and the exponent 65537.
    """
    try:
        if len(pem) > PEM_CHARS_MAX or not pem.strip().startswith("-----BEGIN PUBLIC KEY-----"):
            raise ValueError
        key = load_pem_public_key(pem.encode("ascii"))
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        raise _key_refused("The public key must be PEM (BEGIN PUBLIC KEY).") from None
    if algorithm == "ed25519":
        if not isinstance(key, Ed25519PublicKey):
            raise _key_refused("The public key is not an Ed25519 key.")
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        try:
            verify_ed25519(raw, b"", b"")  # false for the signature, ValueError for the key
        except ValueError:
            raise _key_refused("The Ed25519 key is not a sound point of the curve.") from None
        return raw
    if not isinstance(key, RSAPublicKey):
        raise _key_refused("The public key is not an RSA key.")
    if key.key_size != RSA_BITS or key.public_numbers().e != RSA_EXPONENT:
        raise _key_refused(f"An RSA key has {RSA_BITS} bits and the exponent {RSA_EXPONENT}.")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_refused(detail: str) -> TillgateError:
    return TillgateError("invalid_field", detail, param="/public_key")


def public_digest(key: Key) -> bytes | None:
    """What makes a public key unique in an installation; None for secrets, which are made here."""
    if key.algorithm == "hmac-sha256":
        return None
    return hashlib.sha256(key.algorithm.encode() + b"\n" + key.secret).digest()


def secret_text(key: Key) -> str:
    """The text of an HMAC secret as its owner gets it, once: standard base64."""
    return base64.b64encode(key.secret).decode("ascii")


def check_credentials(
    credentials: Mapping[str, str], *, required: frozenset[str], optional: frozenset[str]
) -> None:
    """Refuse credentials that a channel does not know, lacks, or that are empty or too long.

    Raises `unknown_field`, `missing_field` and `invalid_field`, with the JSON pointer.
    """
    for name in sorted(credentials.keys() - required - optional):
        raise TillgateError(
            "unknown_field",
            "The channel has no such credential.",
            param="/credentials/" + name.replace("~", "~0").replace("/", "~1"),
        )
    for name in sorted(required - credentials.keys()):
        raise TillgateError(
            "missing_field", f"The channel needs {name}.", param=f"/credentials/{name}"
        )
    for name, value in credentials.items():
        if not 1 <= len(value) <= CREDENTIAL_CHARS_MAX:
            raise TillgateError(
                "invalid_field",
                f"A credential has 1 to {CREDENTIAL_CHARS_MAX} characters.",
                param=f"/credentials/{name}",
            )


def check_methods(methods: Sequence[str], served: frozenset[str]) -> tuple[str, ...]:
    """The methods of an account, in order and without repeats, all served by its channel.

    Raises `missing_field` and `unsupported_method`.
    """
    if not methods:
        raise TillgateError("missing_field", "Name at least one method.", param="/methods")
    for index, method in enumerate(methods):
        if method not in served:
            raise TillgateError(
                "unsupported_method",
                "The channel does not serve this method.",
                param=f"/methods/{index}",
            )
    return tuple(dict.fromkeys(methods))

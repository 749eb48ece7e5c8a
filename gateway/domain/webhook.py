"""Webhooks: what a merchant receives, how it is signed, and when it is tried again.

Law: pure. An event's body is composed once from frozen bytes and never changes afterwards, so
every delivery of an event carries the same id and the same body; only time stamp and signature
are new. Nothing here reads a clock, draws a random number or sends: time and jitter are given.
Source: Standard Webhooks 1.0.0 (headers, `v1` HMAC-SHA-256, `v1a` Ed25519, retry schedule).
"""

import base64
import hmac
import re
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fastpath.keyed import HmacKey
from gateway.domain.events import rfc3339

SECRET_BYTES = 32  # what we make
SECRET_BYTES_MIN = 24
SECRET_BYTES_MAX = 64
ED25519_KEY_BYTES = 32
SIGNING_KEYS_KEPT_MAX = 4_096

# Counted from the end of the try before; the first try is made at once.
RETRY_DELAYS_S = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER_PERCENT_MAX = 10
RETRY_AFTER_S_MAX = 86400
RETRY_AFTER_CHARS_MAX = 64
DISABLE_AFTER = timedelta(days=5)

_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_DELTA_SECONDS = re.compile(r"[0-9]+\Z")

NetworkFault = Literal["timeout", "refused", "dns", "blocked_address", "tls", "protocol", "bad_url"]
Judgement = Literal["delivered", "retry", "gone"]


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one delivery: either `status` or `error` is None.

    `retry_after` is the receiver's header as it came (see `retry_after_s`); `error` is why there
    was no whole answer; `duration_s` is what the delivery took, in seconds.
    """

    status: int | None
    retry_after: str | None
    error: NetworkFault | None
    duration_s: float


# --- keys and signatures ------------------------------------------------------------------------


def _decode(text: str, prefix: str) -> bytes:
    if not text.startswith(prefix):
        raise ValueError(f"the text does not begin with {prefix}")
    coded = text[len(prefix) :]
    try:
        raw = base64.b64decode(coded, validate=True)
    except ValueError:
        raw = b""
    # The text is a secret: neither it nor the decoder's words about it go into the error.
    if base64.b64encode(raw).decode() != coded:
        raise ValueError(f"the text after {prefix} is not canonical base64")
    return raw


def _check_secret(raw: bytes) -> bytes:
    if not SECRET_BYTES_MIN <= len(raw) <= SECRET_BYTES_MAX:
        raise ValueError(f"a webhook secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes")
    return raw


def _check_ed25519(raw: bytes) -> bytes:
    if len(raw) != ED25519_KEY_BYTES:
        raise ValueError(f"an Ed25519 key has {ED25519_KEY_BYTES} bytes")
    return raw


def secret_text(raw: bytes) -> str:
    """The wire text `whsec_…` of a shared secret of 24 to 64 bytes; ValueError otherwise."""
    return "whsec_" + base64.b64encode(_check_secret(raw)).decode()


def secret_bytes(text: str) -> bytes:
    """The bytes behind `whsec_…`. Raises ValueError, without the text in it."""
    return _check_secret(_decode(text, "whsec_"))


def public_key_of(seed: bytes) -> bytes:
    """The 32 bytes of the public key that belongs to a 32-byte Ed25519 seed."""
    key = Ed25519PrivateKey.from_private_bytes(_check_ed25519(seed))
    return key.public_key().public_bytes_raw()


def public_key_text(raw: bytes) -> str:
    """The wire text `whpk_…` of a 32-byte Ed25519 public key."""
    return "whpk_" + base64.b64encode(_check_ed25519(raw)).decode()


def public_key_bytes(text: str) -> bytes:
    """The 32 bytes behind `whpk_…`. Raises ValueError."""
    return _check_ed25519(_decode(text, "whpk_"))


def private_key_text(seed: bytes) -> str:
    """The wire text `whsk_…` of a 32-byte seed: seed and public key, as other senders write it."""
    return "whsk_" + base64.b64encode(seed + public_key_of(seed)).decode()


def private_key_bytes(text: str) -> bytes:
    """The 32-byte seed behind `whsk_…`, given alone or followed by its public key.

    Raises ValueError, without the text in it, also if the two halves do not belong together.
    """
    raw = _decode(text, "whsk_")
    seed, public_key = raw[:ED25519_KEY_BYTES], raw[ED25519_KEY_BYTES:]
    if public_key and public_key != public_key_of(seed):
        raise ValueError("the public half of the key does not belong to its private half")
    return _check_ed25519(seed)


@lru_cache(SIGNING_KEYS_KEPT_MAX)
def _mac(secret: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA-256 under a secret; that of our own length does the key's half of the work once."""
    if len(_check_secret(secret)) == SECRET_BYTES:
        return HmacKey(secret).digest
    return partial(hmac.digest, secret, digest="sha256")


@lru_cache(SIGNING_KEYS_KEPT_MAX)
def _signing_key(seed: bytes) -> Ed25519PrivateKey:
    """The key of a seed; to make it takes as long as to sign with it."""
    return Ed25519PrivateKey.from_private_bytes(_check_ed25519(seed))


def sign(
    event_id: str,
    *,
    at: int,
    body: bytes,
    secrets: Sequence[bytes],
    private_key: bytes | None,
) -> dict[str, str]:
    """The three headers of one delivery made at `at` (Unix seconds, wall clock).

    One `v1` signature per secret (two during a rotation, the newest first) and one `v1a` if
    there is a private key (32-byte Ed25519 seed). Raises ValueError if there is nothing to sign
    with, a key has the wrong length, or the id could shift the parts of the signed content.
    """
    if _EVENT_ID.match(event_id) is None:
        raise ValueError("an event id has 1 to 64 characters of A-Z a-z 0-9 _ -")
    if not secrets and private_key is None:
        raise ValueError("a webhook is never sent unsigned")
    content = b"%s.%d.%s" % (event_id.encode(), at, body)
    signatures = [
        "v1," + b2a_base64(_mac(secret)(content), newline=False).decode() for secret in secrets
    ]
    if private_key is not None:
        signature = _signing_key(private_key).sign(content)
        signatures.append("v1a," + b2a_base64(signature, newline=False).decode())
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
    }


# --- the body -----------------------------------------------------------------------------------


class _Event(msgspec.Struct, frozen=True):
    id: str
    object: str
    sequence: int
    type: str
    created_at: str
    object_id: str
    object_version: int
    data: msgspec.Raw


def event_body(
    *,
    event_id: str,
    sequence: int,
    type: str,
    created_at: datetime,
    object_id: str,
    object_version: int,
    data: bytes,
) -> bytes:
    """The JSON of an event, as `GET /v1/events/{id}` and every webhook show it.

    `data` is the JSON of the object as it was recorded; its bytes are taken over unchanged, so
    the same fields give the same bytes for ever. Raises ValueError for a time without a zone.
    """
    if created_at.tzinfo is None:
        raise ValueError("created_at has no time zone")
    return msgspec.json.encode(
        _Event(
            id=event_id,
            object="event",
            sequence=sequence,
            type=type,
            created_at=rfc3339(created_at.astimezone(UTC)),
            object_id=object_id,
            object_version=object_version,
            data=msgspec.Raw(data),
        )
    )


def wants(events: Sequence[str], type: str) -> bool:
    """Whether an endpoint with this filter receives events of `type`.

    A filter holds exact types, `*` for all, and prefixes such as `payment.*`.
    """
    return any(
        pattern == "*"
        or pattern == type
        or (pattern.endswith(".*") and type.startswith(pattern[:-1]))
        for pattern in events
    )


# --- what an answer means -----------------------------------------------------------------------


def judge(status: int | None) -> Judgement:
    """What the receiver's HTTP status means; None is no answer.

    Only 2xx is a receipt. 410 means never again. A redirect is not followed: like everything
    else it is tried again.
    """
    if status is None:
        return "retry"
    if 200 <= status <= 299:
        return "delivered"
    return "gone" if status == 410 else "retry"


def retry_after_s(value: str | None, *, now: datetime) -> int | None:
    """Whole seconds that a Retry-After header asks for, or None if it says nothing usable.

    Both forms of RFC 9110 section 10.2.3 are read: seconds, and an HTTP date, which is compared
    with `now` (wall clock, with a zone). Never negative, at most `RETRY_AFTER_S_MAX`.
    """
    if value is None or len(value) > RETRY_AFTER_CHARS_MAX:
        return None
    value = value.strip(" \t")
    if _DELTA_SECONDS.match(value):
        return min(int(value), RETRY_AFTER_S_MAX)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    try:
        wait = until - now
    except OverflowError:
        return None
    # Rounded up, so that we never come before the moment named.
    return min(max(-(-wait // timedelta(seconds=1)), 0), RETRY_AFTER_S_MAX)


def next_retry(
    *, tries: int, now: datetime, jitter: float, retry_after_s: int | None
) -> datetime | None:
    """When to try again after `tries` tries, or None: the schedule is used up.

    `now` is the moment at which the last try ended (business clock) and `jitter`, drawn by the
    caller from 0..1, spreads the wait over its length and a tenth more, so that receivers coming
    back are not met by everything at once. A Retry-After lengthens the wait, never shortens it.
    """
    if tries < 0 or not 0 <= jitter <= 1:
        raise ValueError("tries must not be negative and jitter must be 0 to 1")
    if tries >= len(RETRY_DELAYS_S):
        return None
    asked_s = min(max(retry_after_s or 0, 0), RETRY_AFTER_S_MAX)
    wait = timedelta(seconds=max(RETRY_DELAYS_S[tries], asked_s))
    return now + wait + wait * jitter * JITTER_PERCENT_MAX / 100

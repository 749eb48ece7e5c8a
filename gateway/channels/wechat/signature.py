"""What is signed: requests, client calls, answers and notifications (WECHATPAY2-SHA256-RSA2048).

Law: verify the bytes that came, before anything reads them; RSA with SHA-256 is pinned. A message
of WeChat names its key by serial, and that key alone is tried. A message with a false signature, an
unknown serial or a time of sending 300 s or more away from ours is worth nothing; so are WeChat's
probes, whose signature begins with `WECHATPAY/SIGNTEST/`: they are no base64 and never verify.

| message | lines, each ended by a line feed |
|---|---|
| request | method, path and query as sent, time stamp, nonce, body |
| answer, notification | time stamp, nonce, body |
| call of a JSAPI page | appId, timeStamp, nonceStr, `prepay_id=…` |
| call of an app | appid, timestamp, noncestr, prepayid |

Source: WeChat Pay API v3, "signature generation", "signature verification", client calls.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.channels.crypto import KeyUnusable, rsa_sha256_sign, rsa_sha256_verify
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.wechat.dialect import from_unix_seconds, unix_microseconds

SCHEME = "WECHATPAY2-SHA256-RSA2048"
SKEW_S_MAX = 300
NONCE_CHARS = 32

UNSIGNED = "unsigned"
STALE = "stale"
BAD_SIGNATURE = "bad_signature"

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SERIAL = re.compile(r"[0-9A-Za-z_-]{1,128}")
_SKEW = timedelta(seconds=SKEW_S_MAX)

KeyOf = Callable[[str, datetime], str | None]
"""The PEM of a serial that is good at a moment; None if we hold none."""


class Seen(NamedTuple):
    """A message's proof: `fault` is None if it is genuine; `sent_at` is the signed time.

    `serial` is what an otherwise well-formed message named its key by.
    """

    fault: str | None
    sent_at: datetime | None = None
    serial: str | None = None


def lines(*parts: str) -> bytes:
    """The parts, each ended by a line feed, in UTF-8."""
    return "".join(f"{part}\n" for part in parts).encode("utf-8")


def nonce_of(*parts: str, at: datetime) -> str:
    """A nonce: hexadecimal, the same for the same arguments, and no other's at any other time."""
    text = "\n".join((*parts, str(unix_microseconds(at))))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:NONCE_CHARS]


def request_message(*, method: str, target: str, timestamp: int, nonce: str, body: bytes) -> bytes:
    """The five lines that a request's signature covers; `target` is path and query as sent."""
    return lines(method, target, str(timestamp), nonce) + body + b"\n"


def authorization(
    private_key: str, message: bytes, *, mchid: str, serial: str, timestamp: int, nonce: str
) -> str:
    """The value of the header `Authorization`. Raises `KeyUnusable`."""
    signature = rsa_sha256_sign(private_key, message)
    return (
        f'{SCHEME} mchid="{mchid}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{serial}"'
    )


def verify(headers: Mapping[str, str], body: bytes, *, key_of: KeyOf, now: datetime | None) -> Seen:
    """Whether an answer or a notification is genuine and fresh; header names are lower case.

    `now` None leaves the freshness to the caller; validity of a certificate is then asked for the
    signed time.
    """
    timestamp = headers.get("wechatpay-timestamp", "")
    nonce = headers.get("wechatpay-nonce", "")
    serial = headers.get("wechatpay-serial", "")
    signature = headers.get("wechatpay-signature", "")
    if not (timestamp and nonce and serial and signature):
        return Seen(UNSIGNED)
    if headers.get("wechatpay-signature-type", SCHEME) != SCHEME:
        return Seen(BAD_SIGNATURE)
    sent_at = from_unix_seconds(int(timestamp)) if _TIMESTAMP.fullmatch(timestamp) else None
    if sent_at is None or not _SERIAL.fullmatch(serial):
        return Seen(BAD_SIGNATURE)
    if now is not None and abs(now - sent_at) >= _SKEW:
        return Seen(STALE)
    key = key_of(serial, now or sent_at)
    if key is None:
        return Seen(UNKNOWN_SERIAL, serial=serial)
    try:
        message = lines(timestamp, nonce) + body + b"\n"
        genuine = rsa_sha256_verify(key, message, signature)
    except (KeyUnusable, UnicodeEncodeError):
        genuine = False
    return Seen(None, sent_at, serial) if genuine else Seen(BAD_SIGNATURE)


def sign_jsapi(private_key: str, *, appid: str, timestamp: int, nonce: str, prepay_id: str) -> str:
    """`paySign` of a page's or mini program's call. Raises `KeyUnusable`."""
    message = lines(appid, str(timestamp), nonce, f"prepay_id={prepay_id}")
    return rsa_sha256_sign(private_key, message)


def sign_app(private_key: str, *, appid: str, timestamp: int, nonce: str, prepay_id: str) -> str:
    """`sign` of an app's call. Raises `KeyUnusable`."""
    return rsa_sha256_sign(private_key, lines(appid, str(timestamp), nonce, prepay_id))

"""WeChat's keys: which one a serial names, and how new platform certificates are learnt.

Law: an account has keys of two kinds. Its WeChat Pay public key (`PUB_KEY_ID_…`) stands in the
credentials, has no end and is never fetched. Platform certificates are fetched; one is believed
only if it was sealed with the account's APIv3 key, is an RSA certificate in date, has the serial
that the answer names, and the answer itself is signed by a key that is held or has just been proven
so. While a merchant changes from one kind to the other both are in use at once.
The issuing authority is not pinned: WeChat publishes no root for this; the seal is the proof.

Source: WeChat Pay API v3, "platform certificates", "WeChat Pay public key".
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gateway.channels.codec import AccountView
from gateway.channels.crypto import KeyUnusable, rsa_public_key
from gateway.channels.wechat.request import signed_request
from gateway.channels.wechat.seal import SealBroken, open_resource
from gateway.channels.wechat.signature import verify
from gateway.channels.wire import HttpRequest, HttpResponse

CERTIFICATES_PATH = "/v3/certificates"
CERTIFICATES_MAX = 32
ANSWER_BYTES_MAX = 262_144
PUBLIC_KEY_ID_PREFIX = "PUB_KEY_ID_"
CERTIFICATES_CACHED_MAX = 256

_PARSE_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm)


class Dated(NamedTuple):
    """What a certificate says of itself: its serial (`normal_serial`) and when it is good."""

    serial: str
    begins_at: datetime
    ends_at: datetime


def normal_serial(serial: str) -> str:
    """One spelling of a certificate's serial: upper-case hexadecimal without leading zeros."""
    return serial.upper().lstrip("0")


def key_of(account: AccountView, serial: str, moment: datetime) -> str | None:
    """The PEM that `serial` names and that is good at `moment`; None if there is none."""
    if serial == account.credentials.get("wechat_public_key_id"):
        return account.credentials.get("wechat_public_key")
    pem = account.keys.get(serial) or account.keys.get(normal_serial(serial))
    if pem is None:
        return None
    return pem if _is_good(pem, moment) else None


def newest_key(account: AccountView, moment: datetime) -> tuple[str, str] | None:
    """Serial and PEM to encrypt with: the public key, else the certificate that ends last."""
    credentials = account.credentials
    if credentials.get("wechat_public_key_id") and credentials.get("wechat_public_key"):
        return credentials["wechat_public_key_id"], credentials["wechat_public_key"]
    found = [
        (dated.ends_at, dated.serial, pem)
        for pem in account.keys.values()
        if (dated := _dated(pem)) is not None and _is_good(pem, moment)
    ]
    if not found:
        return None
    _, serial, pem = max(found)
    return serial, pem


def build_keys(account: AccountView, serial: str | None, now: datetime) -> HttpRequest | None:
    """Ask for the platform certificates; None for a public key, which no interface gives."""
    if serial is not None and serial.startswith(PUBLIC_KEY_ID_PREFIX):
        return None
    return signed_request(
        account, "GET", CERTIFICATES_PATH, now, operation="certificates", number=serial or ""
    )


def read_keys(account: AccountView, response: HttpResponse, now: datetime) -> Mapping[str, str]:
    """The proven certificates (PEM) by serial; empty where the answer proves none."""
    if response.status != 200 or len(response.body) > ANSWER_BYTES_MAX:
        return {}
    try:
        answer = msgspec.json.decode(response.body, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    items = answer.get("data")
    if not isinstance(items, list) or len(items) > CERTIFICATES_MAX:
        return {}
    opened = dict(entry for item in items if (entry := _opened(item, account, now)) is not None)
    widened = msgspec.structs.replace(account, keys={**account.keys, **opened})
    seen = verify(
        response.headers,
        response.body,
        key_of=lambda serial, moment: key_of(widened, serial, moment),
        now=now,
    )
    return opened if seen.fault is None else {}


def _opened(item: object, account: AccountView, now: datetime) -> tuple[str, str] | None:
    if not isinstance(item, dict) or not isinstance(item.get("serial_no"), str):
        return None
    try:
        plain = open_resource(item.get("encrypt_certificate"), account.credentials["apiv3_key"])
        pem = plain.decode("ascii")
        rsa_public_key(pem)
    except (SealBroken, UnicodeDecodeError, KeyUnusable):
        return None
    dated = _dated(pem)
    if dated is None or dated.serial != normal_serial(item["serial_no"]):
        return None
    return (dated.serial, pem) if _is_good(pem, now) else None


def _is_good(pem: str, moment: datetime) -> bool:
    """Whether a certificate is in date; a bare public key has no dates."""
    dated = _dated(pem)
    return dated is None or dated.begins_at <= moment <= dated.ends_at


@lru_cache(maxsize=CERTIFICATES_CACHED_MAX)
def _dated(pem: str) -> Dated | None:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
    except (*_PARSE_ERRORS, UnicodeEncodeError):
        return None
    return Dated(
        serial=normal_serial(f"{certificate.serial_number:X}"),
        begins_at=certificate.not_valid_before_utc,
        ends_at=certificate.not_valid_after_utc,
    )

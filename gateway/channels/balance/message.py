"""Messages to and from a wallet service: JSON, signed both ways with one key.

Law: pure. A request's signature covers method, target, time, nonce and body, an answer's its
status, time and body, each under a first line of its own so that one never passes for the other.
An answer names the operation and the number that it is about; one that is unsigned, stale or about
something else is no answer.

    Authorization: WALLET1-HMAC-SHA256 client="..",ts="..",nonce="..",sig="<base64>"
    message = "WALLET1 request\\n" METHOD "\\n" TARGET "\\n" TS "\\n" NONCE "\\n" BODY "\\n"
    Wallet-Signature: ts="..",sig="<base64>"
    message = "WALLET1 answer\\n" STATUS "\\n" TS "\\n" BODY "\\n"

HMAC-SHA-256 under the 32 bytes of the key; TS in whole Unix seconds. The service is our own
protocol: see docs/channels/balance.md.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from gateway.channels.codec import AccountView, Unknown
from gateway.channels.crypto import decode_base64
from gateway.channels.wire import HttpRequest, HttpResponse

SCHEME = "WALLET1-HMAC-SHA256"
KEY_BYTES = 32
SKEW_S_MAX = 300
SIGNATURE_CHARS = 44

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNED = re.compile(r'ts="([0-9]{10})",sig="([A-Za-z0-9+/]{43}=)"')
_CODE = re.compile(r"[a-z_]{1,32}")


class Answer(Struct, frozen=True):
    """A verified answer: `code` is empty for success; `fields` is the whole object."""

    code: str
    fields: Mapping[str, object]

    def text(self, name: str) -> str | None:
        """A field's text; None if it is absent, empty or no text."""
        value = self.fields.get(name)
        return value if isinstance(value, str) and value else None

    def amount(self, name: str) -> int | None:
        """A field's minor units; None if it is absent, negative or no integer."""
        value = self.fields.get(name)
        return value if type(value) is int and value >= 0 else None


def key_of(account: AccountView) -> bytes | None:
    """The 32 bytes of the account's key; None for a text that is none."""
    raw = decode_base64(account.credentials.get("service_key", ""), chars_max=SIGNATURE_CHARS)
    return raw if raw is not None and len(raw) == KEY_BYTES else None


def base_of(account: AccountView) -> str:
    """Where the wallet service is: in this run, or by the account's own words."""
    return account.gateway_url or account.credentials.get("service_url", "")


def request(
    account: AccountView,
    *,
    method: str,
    path: str,
    now: datetime,
    content: Mapping[str, object] | None = None,
) -> HttpRequest:
    """A signed request. Raises ValueError for an account without a usable key."""
    key = key_of(account)
    if key is None:
        raise ValueError("the account's service_key is not usable")
    url = base_of(account) + path
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    body = b"" if content is None else msgspec.json.encode(content)
    micros = (now - _EPOCH) // timedelta(microseconds=1)
    nonce = hashlib.sha256(f"{method}\n{target}\n{micros}".encode()).hexdigest()[:32]
    seconds = str(micros // 1_000_000)
    signed = request_message(method, target, seconds, nonce, body)
    header = (
        f'{SCHEME} client="{account.credentials["client_id"]}",ts="{seconds}",nonce="{nonce}",'
        f'sig="{signature(key, signed)}"'
    )
    headers = [("Authorization", header), ("Accept", "application/json")]
    if body:
        headers.append(("Content-Type", "application/json"))
    return HttpRequest(method=method, url=url, headers=tuple(headers), body=body)


def request_message(method: str, target: str, ts: str, nonce: str, body: bytes) -> bytes:
    """The bytes that a request's signature covers."""
    return f"WALLET1 request\n{method}\n{target}\n{ts}\n{nonce}\n".encode() + body + b"\n"


def answer_message(status: int, ts: str, body: bytes) -> bytes:
    """The bytes that an answer's signature covers."""
    return f"WALLET1 answer\n{status}\n{ts}\n".encode() + body + b"\n"


def signature(key: bytes, message: bytes) -> str:
    """The signature of a message, in standard base64."""
    return base64.b64encode(hmac.digest(key, message, "sha256")).decode("ascii")


def open_answer(
    account: AccountView, response: HttpResponse, *, operation: str, number: str
) -> Answer | Unknown:
    """Verify and read an answer about `number`; whatever is not one is `Unknown`."""
    key = key_of(account)
    header = _SIGNED.fullmatch(response.headers.get("wallet-signature", ""))
    if key is None or header is None:
        return Unknown(reason=f"the answer (HTTP {response.status}) is unsigned")
    expected = signature(key, answer_message(response.status, header[1], response.body))
    if not hmac.compare_digest(expected, header[2]):
        return Unknown(reason="the answer is wrongly signed")
    sent_at = _EPOCH + timedelta(seconds=int(header[1]))
    came = response.received_at
    if came is not None and abs(came - sent_at) > timedelta(seconds=SKEW_S_MAX):
        return Unknown(reason="the answer is stale")
    try:
        fields = msgspec.json.decode(response.body, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Unknown(reason="the answer is not readable")
    if (fields.get("operation"), fields.get("number")) != (operation, number):
        return Unknown(reason="the answer is about something else")
    code = fields.get("code", "")
    if not isinstance(code, str) or (code and not _CODE.fullmatch(code)):
        return Unknown(reason="the answer has no usable code")
    if (response.status == 200) != (code == ""):
        return Unknown(reason="status and code contradict each other", channel_code=code or None)
    return Answer(code=code, fields=fields)

"""Opening a synchronous answer: from bytes to signed fields, or to `Unknown`.

Law: total and suspicious. Whatever the bytes are, the result is an `Answer` that WeChat signed a
moment ago, or `Unknown` with a reason; nothing raises and nothing unsigned gets through. The code
of an unsigned answer is passed on inside `Unknown` for people to read. When an answer came is said
by `HttpResponse.received_at`, which the HTTP client fills in always; only who made the response
himself and vouches for its freshness leaves it out.
"""

import re
from datetime import datetime

import msgspec
from msgspec import Struct

from gateway.channels.codec import AccountView, Unknown
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.wechat.keys import key_of
from gateway.channels.wechat.signature import BAD_SIGNATURE, STALE, UNSIGNED, verify
from gateway.channels.wire import HttpResponse

MISSING = "the answer lacks a fact: "
ANSWER_BYTES_MAX = 262_144

_CODE = re.compile(r"[0-9A-Za-z._-]{1,64}")
_REASONS = {
    UNSIGNED: "the answer is unsigned",
    STALE: "the answer's time of sending is not near ours",
    BAD_SIGNATURE: "the answer is wrongly signed",
}


class Answer(Struct, frozen=True):
    """A verified answer: HTTP status, WeChat's code (empty if there is none) and all fields.

    `sent_at` is the time that WeChat signed.
    """

    status: int
    code: str
    fields: dict[str, object]
    sent_at: datetime

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out: 2xx and no code."""
        return 200 <= self.status < 300 and not self.code

    def text(self, name: str) -> str | None:
        """A field's text; None if it is absent, empty or no text."""
        value = self.fields.get(name)
        return value if isinstance(value, str) and value else None


def open_answer(account: AccountView, response: HttpResponse) -> Answer | Unknown:
    """Verify and read an answer."""
    if len(response.body) > ANSWER_BYTES_MAX:
        return Unknown(reason="the answer is too large")
    seen = verify(
        response.headers,
        response.body,
        key_of=lambda serial, moment: key_of(account, serial, moment),
        now=response.received_at,
    )
    fields = _fields(response.body)
    code = _code(fields or {})
    if seen.fault is not None or seen.sent_at is None:
        if seen.fault == UNKNOWN_SERIAL:
            return Unknown(reason=UNKNOWN_SERIAL, channel_code=seen.serial)
        reason = _REASONS.get(seen.fault or "", "the answer is not verified")
        if seen.fault == UNSIGNED and response.status >= 300:
            reason = f"the channel answered HTTP {response.status}, unsigned"
        return Unknown(reason=reason, channel_code=code or None)
    if fields is None:
        return Unknown(reason="the answer is not readable")
    if not 200 <= response.status < 300 and not code:
        return Unknown(reason=f"the channel answered HTTP {response.status} without a code")
    return Answer(status=response.status, code=code, fields=fields, sent_at=seen.sent_at)


def _fields(body: bytes) -> dict[str, object] | None:
    if not body:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _code(fields: dict[str, object]) -> str:
    value = fields.get("code")
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""

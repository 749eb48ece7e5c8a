"""The fields of a request to the pretend Alipay, read strictly.

Law: nothing is guessed or repaired. A field is what the protocol says or the request is refused
(`Refusal`); amounts become whole fen by text alone, no float is ever made. Fields that this
simulator does not know are kept as content but not judged, as Alipay does.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.moments import BEIJING, EPOCH, MILLISECOND

TOTAL_FEN_MIN: Final = 1
TOTAL_FEN_MAX: Final = 10_000_000_000
"""0.01 to 100000000 yuan."""

TIMEOUT_MIN: Final = timedelta(minutes=1)
TIMEOUT_MAX: Final = timedelta(days=15)

# Alipay's page names letters, digits and underscore; its published notifications
# carry numbers with hyphens, so these are known to be taken as well.
_NUMBER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_YUAN: Final = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9]{1,2}))?", re.ASCII)
_TIMEOUT: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])", re.ASCII)
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

TEXT_CHARS_MAX: Final = {
    "seller_id": 28,
    "buyer_id": 28,
    "payee_user_id": 28,
    "body": 128,
    "product_code": 64,
    "operator_id": 28,
    "store_id": 32,
    "terminal_id": 32,
    "buyer_logon_id": 100,
    "passback_params": 512,
    "merchant_order_no": 32,
    "refund_reason": 256,
    "refund_currency": 8,
    "quit_url": 400,
    "remark": 200,
    "order_title": 128,
    "pay_timeout": 5,
}
"""Optional texts of all methods, and how long they may be."""


AMOUNTS: Final = ("total_amount", "amount", "trans_amount")


class NumberText(str):
    """A JSON number, kept as the characters that were sent."""

    __slots__ = ()


class Fields:
    """The members of one `biz_content`. Its readers raise `Refusal` for an ill-formed field."""

    def __init__(self, biz_content: str) -> None:
        self.members = _json_object(biz_content)
        for name, chars_max in TEXT_CHARS_MAX.items():
            self.text(name, chars_max=chars_max)

    def text(self, name: str, *, chars_max: int) -> str | None:
        """A text without control characters, or None where it is absent or empty."""
        value = self.members.get(name)
        if value is None or value == "":
            return None
        if type(value) is not str:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} must be a string")
        if len(value) > chars_max:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} is longer than {chars_max}")
        if any(ord(c) < 0x20 or ord(c) == 0x7F for c in value):
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} has a control character")
        return value

    def required_text(self, name: str, *, chars_max: int) -> str:
        """As `text`, but it must be there."""
        value = self.text(name, chars_max=chars_max)
        if value is None:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} is missing")
        return value

    def number(self, name: str) -> str | None:
        """A business number: 1 to 64 letters, digits, underscores and hyphens."""
        value = self.text(name, chars_max=64)
        if value is not None and _NUMBER.fullmatch(value) is None:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} has a character that is not allowed")
        return value

    def required_number(self, name: str) -> str:
        """As `number`, but it must be there."""
        value = self.number(name)
        if value is None:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} is missing")
        return value

    def fen(self, name: str) -> int:
        """An amount in yuan with at most two places, 0.01 to 100000000, as whole fen."""
        value = self.members.get(name)
        if value is None or value == "":
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} is missing")
        if type(value) not in (str, NumberText):
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} must be a decimal")
        match = _YUAN.fullmatch(value)
        if match is None:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} must have at most two places")
        fen = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
        if not TOTAL_FEN_MIN <= fen <= TOTAL_FEN_MAX:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} is not in 0.01 to 100000000")
        return fen

    def expiry_ms(self, now_ms: int) -> int | None:
        """The earliest moment that any of the three expiry fields names, or None."""
        moments = [
            self._timeout_ms("timeout_express", now_ms),
            self._timeout_ms("pay_timeout", now_ms),
            self._timeout_ms("qr_code_timeout_express", now_ms),
            self._absolute_ms("time_expire", now_ms),
        ]
        return min((m for m in moments if m is not None), default=None)

    def canonical(self, **beside: str) -> str:
        """The content as a text that is equal for equal content; amounts as whole fen.

        `beside` is what came with it and matters as much: kept under names with an `@`, which the
        protocol has none of.
        """
        content = {k: v for k, v in self.members.items() if v is not None}
        for name in AMOUNTS:
            if name in content:
                content[name] = self.fen(name)
        content |= {f"@{name}": value for name, value in beside.items() if value}
        return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    def _timeout_ms(self, name: str, now_ms: int) -> int | None:
        value = self.text(name, chars_max=6)
        if value is None:
            return None
        if value == "1c":
            return _end_of_beijing_day_ms(now_ms)
        match = _TIMEOUT.fullmatch(value)
        if match is None:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} must be like 90m, 2h, 1d or 1c")
        delay = timedelta(**{_UNITS[match[2]]: int(match[1])})
        if not TIMEOUT_MIN <= delay <= TIMEOUT_MAX:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} is not in 1m to 15d")
        return now_ms + delay // MILLISECOND

    def _absolute_ms(self, name: str, now_ms: int) -> int | None:
        value = self.text(name, chars_max=32)
        if value is None:
            return None
        moment = beijing_moment(value)
        if moment is None:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} must be yyyy-MM-dd HH:mm:ss")
        moment_ms = (moment - EPOCH) // MILLISECOND
        if moment_ms <= now_ms:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name} is over")
        return moment_ms


def beijing_moment(text: str) -> datetime | None:
    """The moment of `yyyy-MM-dd HH:mm:ss` in Beijing time, or None for any other text."""
    if _MOMENT.fullmatch(text) is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
    except ValueError:
        return None


def yuan(fen: int) -> str:
    """Whole fen as yuan with two places: 1234 -> `12.34`."""
    return f"{fen // 100}.{fen % 100:02d}"


def _end_of_beijing_day_ms(now_ms: int) -> int:
    today = (EPOCH + now_ms * MILLISECOND).astimezone(BEIJING)
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - EPOCH) // MILLISECOND


def _json_object(text: str) -> dict[str, Any]:
    def refuse(what: str) -> Any:
        raise ValueError(what)

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        return members if len(members) == len(pairs) else refuse("repeated key")

    try:
        value = json.loads(
            text,
            parse_float=NumberText,
            parse_int=NumberText,
            parse_constant=refuse,
            object_pairs_hook=object_of,
        )
        # A lone surrogate can be written in JSON but in no encoding of text.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refusal("isv.invalid-parameter", "biz_content is not JSON") from error
    if not isinstance(value, dict):
        raise Refusal("isv.invalid-parameter", "biz_content is not a JSON object")
    return value

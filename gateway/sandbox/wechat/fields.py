"""The fields of a request to the pretend WeChat Pay, read strictly.

Law: nothing is guessed or repaired. A field is what the protocol says or the request is refused
(`Refusal`, PARAM_ERROR); an amount is a JSON integer. Lengths of texts are counted in bytes of
UTF-8, as WeChat counts them. Fields that this simulator does not know are kept as content but not
judged.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.sandbox.moments import MILLISECOND, from_ms, to_ms
from gateway.sandbox.notifications import is_legal_url
from gateway.sandbox.wechat.refusals import Refusal

TOTAL_FEN_MIN: Final = 1
TOTAL_FEN_MAX: Final = 10_000_000_000
NOTIFY_URL_CHARS_MAX: Final = 255
EXPIRY_MAX: Final = timedelta(days=7, minutes=1)

ORDER_NUMBER: Final = re.compile(r"[0-9A-Za-z_*|-]{1,32}", re.ASCII)
REFUND_NUMBER: Final = re.compile(r"[0-9A-Za-z_*|@-]{1,64}", re.ASCII)
BILL_NUMBER: Final = re.compile(r"[0-9A-Za-z]{1,32}", re.ASCII)
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)


class Fields:
    """The members of one JSON object. Its readers raise `Refusal` for an ill-formed field."""

    def __init__(self, members: Mapping[str, Any], *, path: str = "") -> None:
        self.members = members
        self._path = path

    @classmethod
    def of(cls, body: bytes) -> "Fields":
        """Those of a request's body; an empty body is an empty object."""
        return cls(_json_object(body) if body else {})

    def text(self, name: str, *, bytes_max: int) -> str | None:
        """A text without control characters, or None where it is absent or empty."""
        value = self.members.get(name)
        if value is None or value == "":
            return None
        if type(value) is not str:
            raise self._refusal(name, "必须是字符串")
        size = len(value.encode())
        if size > bytes_max:
            raise self._refusal(name, f"字节数 {size}，大于最大值 {bytes_max}")
        if any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
            raise self._refusal(name, "含有控制字符")
        return value

    def required_text(self, name: str, *, bytes_max: int) -> str:
        """As `text`, but it must be there."""
        value = self.text(name, bytes_max=bytes_max)
        if value is None:
            raise self._refusal(name, "缺少必填参数")
        return value

    def number(self, name: str, shape: re.Pattern[str] = ORDER_NUMBER) -> str | None:
        """A business number of the given shape, or None where it is absent."""
        value = self.text(name, bytes_max=64)
        if value is not None and shape.fullmatch(value) is None:
            raise self._refusal(name, "含有不允许的字符或过长")
        return value

    def required_number(self, name: str, shape: re.Pattern[str] = ORDER_NUMBER) -> str:
        """As `number`, but it must be there."""
        value = self.number(name, shape)
        if value is None:
            raise self._refusal(name, "缺少必填参数")
        return value

    def fen(self, name: str, *, at_least: int = TOTAL_FEN_MIN) -> int:
        """An amount: a JSON integer within bounds."""
        value = self.members.get(name)
        if value is None:
            raise self._refusal(name, "缺少必填参数")
        if type(value) is not int or not at_least <= value <= TOTAL_FEN_MAX:
            raise self._refusal(name, f"必须是 {at_least} 到 {TOTAL_FEN_MAX} 的整数")
        return value

    def inner(self, name: str) -> "Fields":
        """The object of a member, which must be there."""
        value = self.members.get(name)
        if not isinstance(value, dict):
            raise self._refusal(name, "必须是对象")
        return Fields(value, path=f"{self._path}/{name}")

    def currency(self) -> None:
        """CNY, or nothing, which means the same."""
        if self.members.get("currency", "CNY") != "CNY":
            raise self._refusal("currency", "只支持 CNY")

    def notify_url(self, *, required: bool) -> str | None:
        """A legal URL without a query."""
        url = self.text("notify_url", bytes_max=NOTIFY_URL_CHARS_MAX)
        if url is None:
            if required:
                raise self._refusal("notify_url", "缺少必填参数")
            return None
        if not is_legal_url(url, chars_max=NOTIFY_URL_CHARS_MAX) or "?" in url or "#" in url:
            raise self._refusal("notify_url", "不是合法的URL，或携带了参数")
        return url

    def expiry_ms(self, now_ms: int) -> int | None:
        """The moment of `time_expire`, or None where it is absent."""
        text = self.text("time_expire", bytes_max=64)
        if text is None:
            return None
        if _RFC3339.fullmatch(text) is None:
            raise self._refusal("time_expire", "不符合rfc3339格式")
        try:
            moment = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self._refusal("time_expire", "不符合rfc3339格式") from error
        if not from_ms(now_ms) < moment <= from_ms(now_ms) + EXPIRY_MAX:
            raise self._refusal("time_expire", "已过期，或超过7天")
        return to_ms(moment)

    def canonical(self, *, without: frozenset[str] = frozenset()) -> str:
        """The content as a text that is equal for equal content."""
        content = {k: v for k, v in self.members.items() if v is not None and k not in without}
        return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    def _refusal(self, name: str, what: str) -> Refusal:
        return Refusal("PARAM_ERROR", f"输入源“/body{self._path}/{name}”{what}")


def json_text(value: object) -> bytes:
    """The bytes of an answer or of a resource."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def minutes(count: int) -> int:
    """Milliseconds of `count` minutes."""
    return timedelta(minutes=count) // MILLISECOND


def _json_object(body: bytes) -> dict[str, Any]:
    def refuse(what: str) -> Any:
        raise ValueError(what)

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        return members if len(members) == len(pairs) else refuse("repeated key")

    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_float=refuse,
            parse_constant=refuse,
            object_pairs_hook=object_of,
        )
        # A lone surrogate can be written in JSON but in no encoding of text.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refusal("PARAM_ERROR", "the body is not JSON") from error
    if not isinstance(value, dict):
        raise Refusal("PARAM_ERROR", "the body is not a JSON object")
    return value

"""The fields of a request to the pretend UnionPay, read strictly.

Law: nothing is guessed or repaired. A field is what the protocol says or the request is refused
(`Refusal` 10 or 13); amounts are whole fen in ASCII digits. Fields that this simulator does not
know are kept as content but not judged.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from gateway.sandbox.moments import BEIJING, from_ms, to_ms
from gateway.sandbox.notifications import is_legal_url
from gateway.sandbox.unionpay.refusals import Refusal

URL_CHARS_MAX: Final = 256
RESERVED_CHARS_MAX: Final = 1_024
CHANNEL_TYPES: Final = ("05", "07", "08", "10")
PATTERNS: Final = {
    "merId": re.compile(r"[0-9A-Za-z]{15}"),
    "orderId": re.compile(r"[0-9A-Za-z]{8,40}"),
    "txnTime": re.compile(r"[0-9]{14}"),
    "txnAmt": re.compile(r"[1-9][0-9]{0,11}"),
    "currencyCode": re.compile(r"156"),
    "origQryId": re.compile(r"[0-9]{21}"),
    "settleDate": re.compile(r"[0-9]{4}"),
    "payTimeout": re.compile(r"[0-9]{14}"),
    "fileType": re.compile(r"00"),
}
PROOFS: Final = frozenset({"signature", "certId", "customerInfo", "tokenPayData"})
"""Fields that are never kept: they prove who speaks, or who pays."""
TRANSIENT: Final = PROOFS | {"backUrl", "frontUrl", "channelType"}
"""Fields that may differ when the same order is sent again."""

_BRACED: Final = re.compile(r"\{([^{}]*)\}")


class Operation(NamedTuple):
    """One kind of request: the word that faults use, and what it must carry."""

    word: str
    biz_types: tuple[str, ...]
    required: tuple[str, ...]


_TRADE: Final = ("orderId", "txnTime")
_MONEY: Final = (*_TRADE, "txnAmt", "currencyCode")
_TOLD: Final = (*_MONEY, "backUrl")

FRONT: Final = {
    ("01", "01"): Operation("web", ("000201",), (*_TOLD, "frontUrl")),
    ("02", "01"): Operation("preauth", ("000201",), (*_TOLD, "frontUrl")),
}
BACK: Final = {
    ("01", "07"): Operation("qr", ("000000",), _TOLD),
    ("77", "02"): Operation("sms", ("000301", "000902"), _MONEY),
    ("01", "01"): Operation("consume", ("000301", "000902"), (*_TOLD, "customerInfo")),
    ("03", "00"): Operation("capture", ("000201",), (*_TOLD, "origQryId")),
    ("04", "00"): Operation("refund", ("000000", "000201"), (*_TOLD, "origQryId")),
    ("31", "00"): Operation("cancel", ("000000", "000201"), (*_TOLD, "origQryId")),
    ("32", "00"): Operation("void", ("000000", "000201"), (*_TOLD, "origQryId")),
}
QUERY: Final = {("00", "00"): Operation("query", ("000000", "000201"), _TRADE)}
FILES: Final = {("76", "01"): Operation("statement", ("000000",), ("settleDate", "txnTime"))}


def operation_of(fields: Mapping[str, str], door: Mapping[tuple[str, str], Operation]) -> Operation:
    """What a request asks of this door, its fields checked. Raises `Refusal`."""
    found = door.get((_required(fields, "txnType"), _required(fields, "txnSubType")))
    if found is None:
        raise Refusal("10", "txnType")
    if _required(fields, "bizType") not in found.biz_types:
        raise Refusal("10", "bizType")
    if _required(fields, "accessType") != "0":
        raise Refusal("10", "accessType")
    if _required(fields, "channelType") not in CHANNEL_TYPES:
        raise Refusal("10", "channelType")
    for name in found.required:
        _required(fields, name)
    for name, pattern in PATTERNS.items():
        value = fields.get(name)
        if value is not None and not pattern.fullmatch(value):
            raise Refusal("10", name)
    for name in ("backUrl", "frontUrl"):
        url = fields.get(name)
        if url is not None and not is_legal_url(url, chars_max=URL_CHARS_MAX):
            raise Refusal("10", name)
    if len(fields.get("reqReserved", "")) > RESERVED_CHARS_MAX:
        raise Refusal("10", "reqReserved")
    for name in ("txnTime", "payTimeout"):
        if name in fields and beijing_ms(fields[name]) is None:
            raise Refusal("10", name)
    return found


def content_of(fields: Mapping[str, str]) -> str:
    """The order as a text that is equal for equal orders."""
    kept = {name: value for name, value in fields.items() if name not in TRANSIENT}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)


def request_of(fields: Mapping[str, str]) -> str:
    """The request as the book keeps it."""
    kept = {name: value for name, value in fields.items() if name not in PROOFS}
    return json.dumps(kept, ensure_ascii=False)


def customer(fields: Mapping[str, str]) -> dict[str, str]:
    """What `customerInfo` says: base64 of `{name=value&...}`. Raises `Refusal`."""
    text = fields.get("customerInfo")
    if not text:
        return {}
    try:
        return braced(base64.b64decode(text, validate=True).decode("utf-8"), "customerInfo")
    except (binascii.Error, ValueError) as error:
        raise Refusal("10", "customerInfo") from error


def payer(fields: Mapping[str, str]) -> str:
    """Who pays by SMS: a token, or a phone number. Raises `Refusal`."""
    if fields["bizType"] == "000902":
        data = braced(_required(fields, "tokenPayData"), "tokenPayData")
        if not data.get("token"):
            raise Refusal("13", "token")
        return data["token"]
    phone = customer(fields).get("phoneNo")
    if not phone:
        raise Refusal("13", "phoneNo")
    return phone


def braced(text: str, name: str) -> dict[str, str]:
    """`{a=1&b=2}` as members. Raises `Refusal`."""
    match = _BRACED.fullmatch(text)
    if match is None:
        raise Refusal("10", name)
    parts = [part.partition("=") for part in match[1].split("&") if part]
    members = {key: value for key, equals, value in parts if equals and key}
    if len(members) != len(parts):
        raise Refusal("10", name)
    return members


def beijing_ms(text: str) -> int | None:
    """The moment of `yyyyMMddHHmmss` in Beijing in milliseconds, or None."""
    try:
        return to_ms(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING))
    except (ValueError, OverflowError):
        return None


def beijing_digits(ms: int) -> str:
    """`yyyyMMddHHmmss` in Beijing."""
    return from_ms(ms).astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def _required(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name)
    if not value:
        raise Refusal("13", name)
    return value

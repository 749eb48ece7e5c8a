"""Redaction: what must not stand in a log, taken out of names, values and free text.

Law: errs on the side of silence. A value is hidden for its name (`secret`, `signature`, `pin`, ...)
or for its look: card numbers (also inside merchants' numbers), webhook secrets, private keys,
signatures of our own scheme, passwords in URLs, 32-byte keys in base64. What is left has no lone
surrogates and no float that JSON cannot say. Nothing here raises, whatever it is given.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from gateway.domain.text import has_card_number

HIDDEN = "[redacted]"
TEXT_CHARS_MAX = 4_096
TEXT_READ_CHARS_MAX = 16_384
MEMBERS_MAX = 64
DEPTH_MAX = 6
CARD_DIGITS_MIN = 13
CARD_DIGITS_MAX = 19

_HIDDEN_WORDS = (
    "authorization|authorisation|cookie|signature|sig|sign|secret|password|passwd|passphrase|"
    "pin|cvv|cvc|pan|card_?(?:number|no)|private_?key|api_?key|apiv3_?key|key_secret|token|"
    "auth_code|sms_code|recovery_code|credentials?|kek|material|data_key|sealed|openid|"
    "customer|phone|email|id_card"
)
_SECRET_NAME = re.compile(rf"(?i)(?:.*[_\-.])?(?:{_HIDDEN_WORDS})(?:[_\-.](?:before|old|new))?s?\Z")
_NAMED_IN_TEXT = re.compile(
    rf"(?i)(?<![A-Za-z0-9_\-])((?:[A-Za-z0-9]+[_\-])*(?:{_HIDDEN_WORDS})[\"']?\s?[=:]\s?)"
    r"(\"[^\"]*\"?|'[^']*'?|[^\s,;&\"'}\])]+)"
)
_LOOKS_SECRET = (
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    re.compile(r"whsec_[A-Za-z0-9+/=_-]+"),
    re.compile(r"TILL1-[A-Z0-9-]+ [^\n]*"),
    re.compile(r"(?i)(?<![a-z0-9])(?:bearer|basic|digest) [A-Za-z0-9+/=._~-]{8,}"),
    re.compile(r"(?<![A-Za-z0-9])v1a?,[A-Za-z0-9+/]{40,}={0,2}"),
    # 32 bytes in base64 (our HMAC keys), standard or URL-safe, and anything longer such as
    # signatures. Ids and digests in hexadecimal are not that.
    re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{43}=(?![A-Za-z0-9])"),
    re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{80,}={0,2}"),
)
_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]*@")
_CHECKOUT_TOKEN = re.compile(r"(?<=/checkout/)[A-Za-z0-9_-]+")
_DIGITS = re.compile(r"[0-9](?:[ -]?[0-9]){12,}")
_GROUPS = re.compile(r"[0-9]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is never shown."""
    return len(name) <= 256 and _SECRET_NAME.match(name) is not None


def text(value: str) -> str:
    """A text without secrets, at most `TEXT_CHARS_MAX` characters of it."""
    shown = value[:TEXT_READ_CHARS_MAX]
    if not shown.isascii():
        shown = _SURROGATES.sub("\ufffd", shown)
    for pattern in _LOOKS_SECRET:
        shown = pattern.sub(HIDDEN, shown)
    shown = _PASSWORD_IN_URL.sub(f"{HIDDEN}@", shown)
    shown = _CHECKOUT_TOKEN.sub(HIDDEN, shown)
    shown = _NAMED_IN_TEXT.sub(rf"\1{HIDDEN}", shown)
    shown = _DIGITS.sub(_without_cards, shown)
    if len(shown) > TEXT_CHARS_MAX:
        return f"{shown[:TEXT_CHARS_MAX]}…"
    return shown


def value(name: str, found: Any) -> Any:
    """A value as it may be logged under a name: JSON's kinds only, without secrets."""
    return HIDDEN if is_secret_name(name) and found is not None else _shown(found, DEPTH_MAX)


def _shown(found: Any, depth: int) -> Any:
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, str):
        return text(found)
    if isinstance(found, int):
        # An amount is no card number; a number of 13 digits and more is read as text.
        return int(found) if abs(found) < 10**12 else _shown(_decimal(found), depth)
    if isinstance(found, float):
        return found if math.isfinite(found) else repr(found)
    if isinstance(found, bytes | bytearray | memoryview):
        return f"<{len(found)} bytes>"
    if depth <= 0:
        return "…"
    if isinstance(found, Mapping):
        return _members(found, depth - 1)
    if isinstance(found, list | tuple | set | frozenset):
        some = [_shown(each, depth - 1) for each in list(found)[:MEMBERS_MAX]]
        return [*some, "…"] if len(found) > MEMBERS_MAX else some
    return text(_as_text(found))


def _members(found: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, each in list(found.items())[:MEMBERS_MAX]:
        name = key if isinstance(key, str) else _as_text(key)
        hidden = is_secret_name(name) and each is not None
        shown[text(name)] = HIDDEN if hidden else _shown(each, depth)
    return shown


def _decimal(number: int) -> str:
    return str(number) if abs(number) < 10**100 else "<a very large integer>"


def _as_text(found: object) -> str:
    """`str` of a plain thing; of an exception its type only, because words may hold values."""
    if isinstance(found, BaseException):
        return type(found).__name__
    try:
        return str(found)
    except Exception:
        return f"<{type(found).__name__}>"


def _without_cards(run: re.Match[str]) -> str:
    """A run of digits with what looks like a card number masked, its last four digits left.

    Looks at every sequence of whole groups, so that a number that stands beside another one
    (a date, an amount) is found, too.
    """
    whole = run.group()
    groups = [(group.start(), group.end()) for group in _GROUPS.finditer(whole)]
    masked = whole
    at = 0
    while at < len(groups):
        until = _end_of_card(whole, groups, at)
        if until is None:
            at += 1
            continue
        start, end = groups[at][0], groups[until][1]
        hidden = "".join("*" if each.isdigit() else each for each in whole[start : end - 4])
        masked = f"{masked[:start]}{hidden}{masked[end - 4 :]}"
        at = until + 1
    return masked


def _end_of_card(whole: str, groups: list[tuple[int, int]], at: int) -> int | None:
    """The last group of a card number that begins with group `at`; the longest one wins."""
    found, digits = None, 0
    for index in range(at, len(groups)):
        digits += groups[index][1] - groups[index][0]
        if digits > CARD_DIGITS_MAX:
            break
        part = whole[groups[at][0] : groups[index][1]]
        if digits >= CARD_DIGITS_MIN and has_card_number(part):
            found = index
    return found

"""QQ Wallet's spelling: flat XML, and a signature over its sorted members (unconfirmed).

Law: pure and total. A message is one element `xml` whose children have text and nothing else, each
once; whatever is not that is None. The signature covers every member that is not empty, except
`sign`; the account, never the message, chooses the algorithm.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from xml.sax.saxutils import escape

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

MD5 = "MD5"
HMAC_SHA256 = "HMAC-SHA256"
SIGN_TYPES = frozenset({MD5, HMAC_SHA256})
MESSAGE_BYTES_MAX = 65_536
FEN_DIGITS_MAX = 12
BEIJING = timezone(timedelta(hours=8))

_FEN = re.compile(rf"0|[1-9][0-9]{{0,{FEN_DIGITS_MAX - 1}}}", re.ASCII)
_TIME = re.compile(r"[0-9]{14}", re.ASCII)


def to_xml(members: Mapping[str, str]) -> bytes:
    """The members as XML in UTF-8."""
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in members.items())
    return f"<xml>{inner}</xml>".encode()


def from_xml(raw: bytes) -> dict[str, str] | None:
    """The members that are not empty; None if `raw` is no message of this form."""
    if not raw or len(raw) > MESSAGE_BYTES_MAX:
        return None
    try:
        root = ElementTree.fromstring(raw, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    if root.tag != "xml" or root.attrib or (root.text or "").strip():
        return None
    members: dict[str, str] = {}
    for child in root:
        if len(child) or child.attrib or (child.tail or "").strip() or child.tag in members:
            return None
        members[child.tag] = child.text or ""
    return {name: value for name, value in members.items() if value}


def signature(members: Mapping[str, str], *, key: str, sign_type: str) -> str:
    """The value of `sign`: upper-case hexadecimal."""
    kept = sorted((name, text) for name, text in members.items() if text and name != "sign")
    canonical = "&".join(f"{name}={text}" for name, text in kept) + f"&key={key}"
    raw = canonical.encode()
    if sign_type == HMAC_SHA256:
        return hmac.digest(key.encode(), raw, hashlib.sha256).hex().upper()
    return hashlib.md5(raw, usedforsecurity=False).hexdigest().upper()


def is_signed(members: Mapping[str, str], *, key: str, sign_type: str) -> bool:
    """Whether `sign` is right, compared in constant time."""
    right = signature(members, key=key, sign_type=sign_type)
    return hmac.compare_digest(right.encode(), members.get("sign", "").encode())


def fen_of(text: str | None) -> int | None:
    """Minor units; None if the text is not exactly a whole number of them."""
    return int(text) if text is not None and _FEN.fullmatch(text) else None


def time_text(moment: datetime) -> str:
    """`yyyyMMddHHmmss` in Beijing."""
    return moment.astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def moment_of(text: str | None) -> datetime | None:
    """The moment (UTC) of `yyyyMMddHHmmss` in Beijing; None if the text is not one."""
    if text is None or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).astimezone(UTC)
    except ValueError:
        return None

"""Opening a synchronous answer: from bytes to signed fields, or to `Unknown`.

Law: total and suspicious. Whatever the bytes are, the result is an `Answer` whose fields Alipay
signed for this interface, or `Unknown` with a reason; nothing raises and nothing unsigned gets
through. The codes of an unsigned answer are passed on inside `Unknown` for people to read.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from gateway.channels.alipay.codes import OK
from gateway.channels.alipay.credentials import is_switched_on, verification_keys
from gateway.channels.alipay.dialect import fen_of
from gateway.channels.alipay.signature import (
    SignedNode,
    TextMalformed,
    extract_node,
    verify_node,
)
from gateway.channels.codec import AccountView, Unknown
from gateway.channels.crypto import KeyUnusable
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.wire import HttpResponse

ERROR_NODE = "error_response"
MISSING = "the answer lacks a fact: "

_CODE = re.compile(r"[0-9A-Za-z._-]{1,64}")


class NumberText(str):
    """A JSON number with a fraction, as the characters that came; it is no text."""

    __slots__ = ()


class Answer(Struct, frozen=True):
    """A verified answer. `sub_code` is empty if there is none; `fields` is the whole node."""

    code: str
    sub_code: str
    fields: dict[str, object]

    def text(self, name: str) -> str | None:
        """A field's text; None if it is absent, empty or no text."""
        value = self.fields.get(name)
        return value if type(value) is str and value else None

    def fen(self, name: str) -> int | None:
        """A field's amount, for interfaces that also write it as a JSON number; None if none.

        The number's own characters are read, so nothing has been rounded.
        """
        value = self.fields.get(name)
        if type(value) is int:
            value = str(value)
        return fen_of(str(value)) if isinstance(value, str) else None


_NODE = msgspec.json.Decoder(dict[str, object], float_hook=NumberText)


def open_answer(
    account: AccountView, interface: str, response: HttpResponse, *, about: Mapping[str, str]
) -> Answer | Unknown:
    """Verify and read the answer of `interface` (such as `alipay.trade.query`).

    `about` holds our numbers under the names that the answer may give them. An answer that names
    another is `Unknown`: the signature does not cover which request it answers. Whether a number
    must be named, the operation decides.
    """
    if response.status != 200:
        return Unknown(reason=f"the channel answered HTTP {response.status}")
    node_name = interface.replace(".", "_") + "_response"
    try:
        node = extract_node(response.body, (node_name, ERROR_NODE))
        fields = _fields(node)
    except TextMalformed:
        return Unknown(reason="the answer is not readable")
    code, sub_code = _code(fields, "code"), _code(fields, "sub_code")
    doubt = _doubt(account, node)
    if doubt is not None:
        # With an unknown serial, the serial is what must be learnt; it is no fact of the order's.
        said = node.cert_sn if doubt == UNKNOWN_SERIAL else sub_code or code
        return Unknown(reason=doubt, channel_code=said or None)
    if not code or (code == OK and (node.name == ERROR_NODE or fields.get("sub_code"))):
        return Unknown(reason="the answer has no usable code", channel_code=sub_code or None)
    answer = Answer(code=code, sub_code=sub_code, fields=fields)
    for name, number in about.items():
        if answer.text(name) not in (None, number):
            reason = "the answer is about another order"
            return Unknown(reason=reason, channel_code=sub_code or code)
    return answer


def lacks(answer: Answer, *names: str) -> Unknown | None:
    """`Unknown` naming the first text that the answer should have and has not."""
    for name in names:
        if answer.text(name) is None:
            return Unknown(reason=MISSING + name)
    return None


def _doubt(account: AccountView, node: SignedNode) -> str | None:
    """Why the node is not proven to be Alipay's; None if it is."""
    if node.sign is None:
        return "the answer is unsigned"
    known = verification_keys(account, node.cert_sn)
    if not known:
        return UNKNOWN_SERIAL
    lenient = is_switched_on(account, "unescaped_slashes")
    try:
        genuine = any(verify_node(node, key, unescaped_slashes=lenient) for key in known)
    except KeyUnusable:
        return "the account's alipay_public_key is not usable"
    return None if genuine else "the answer is wrongly signed"


def _fields(node: SignedNode) -> dict[str, object]:
    try:
        return _NODE.decode(node.text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise TextMalformed("the response node is not valid JSON") from None


def _code(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""

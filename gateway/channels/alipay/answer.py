"""Opening a synchronous answer: from bytes to signed fields, or to `Unknown`.

Law: total and suspicious. Whatever the bytes are, the result is an `Answer` whose fields Alipay
signed for this interface, or `Unknown` with a reason; nothing raises and nothing unsigned gets
through. The codes of an unsigned answer are passed on inside `Unknown` for people to read.
"""

import re

import msgspec
from msgspec import Struct

from gateway.channels.alipay.codes import OK
from gateway.channels.alipay.signature import (
    SignedNode,
    TextMalformed,
    extract_node,
    verify_node,
)
from gateway.channels.codec import Unknown
from gateway.channels.crypto import KeyUnusable
from gateway.channels.wire import HttpResponse

ERROR_NODE = "error_response"
MISSING = "the answer lacks a fact: "

_CODE = re.compile(r"[0-9A-Za-z._-]{1,64}")


class Answer(Struct, frozen=True):
    """A verified answer. `sub_code` is empty if there is none; `fields` is the whole node."""

    code: str
    sub_code: str
    fields: dict[str, object]

    def text(self, name: str) -> str | None:
        """A field's text; None if it is absent, empty or no text."""
        value = self.fields.get(name)
        return value if isinstance(value, str) and value else None


def open_answer(
    response: HttpResponse, *, interface: str, public_key: str, attempt_no: str
) -> Answer | Unknown:
    """Verify and read the answer of `interface` (such as `alipay.trade.query`).

    An answer that names another order than `attempt_no` is `Unknown`: the signature does
    not cover which request it answers. Whether the order must be named, the operation decides.
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
    try:
        genuine = verify_node(node, public_key)
    except KeyUnusable:
        return Unknown(reason="the account's alipay_public_key is not usable")
    if not genuine:
        said = "unsigned" if node.sign is None else "wrongly signed"
        return Unknown(reason=f"the answer is {said}", channel_code=sub_code or code or None)
    if not code or (code == OK and (node.name == ERROR_NODE or fields.get("sub_code"))):
        return Unknown(reason="the answer has no usable code", channel_code=sub_code or None)
    answer = Answer(code=code, sub_code=sub_code, fields=fields)
    if answer.text("out_trade_no") not in (None, attempt_no):
        return Unknown(reason="the answer is about another order", channel_code=sub_code or code)
    return answer


def _fields(node: SignedNode) -> dict[str, object]:
    try:
        return msgspec.json.decode(node.text, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise TextMalformed("the response node is not valid JSON") from None


def _code(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""

"""Pure twin of `fastpath.form`: the specification.

Law. Strict, and one reading only: nothing is decoded twice or repaired, and what two readers could
read differently is refused. Source: WHATWG URL Standard, section 5 (application/x-www-form-
urlencoded), of which this takes what well-behaved senders write; RFC 3986 section 2.1.
"""

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlencode

from fastpath._arguments import wrong_type
from fastpath._form_terms import CHARSET_REFUSED, CHARSETS, PAIRS_MAX_REFUSED, FormMalformed

_NO_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def read_form(body: bytes, pairs_max: int) -> dict[bytes, bytes]:
    """The pairs of a form in their order, percent-decoded once, `+` as a space.

    Raises `FormMalformed` for more than `pairs_max` pairs, and for the first pair that has no `=`
    or no name, a name that came before, or a `%` without two hexadecimal digits. An empty body is a
    pair without `=`. TypeError for arguments of other types, ValueError for a `pairs_max` below 1.
    """
    if type(body) is not bytes:
        raise wrong_type("body", "bytes", body)
    if type(pairs_max) is not int:
        raise wrong_type("pairs_max", "int", pairs_max)
    if pairs_max < 1:
        raise ValueError(PAIRS_MAX_REFUSED)
    pairs = body.split(b"&")
    if len(pairs) > pairs_max:
        raise FormMalformed("too_many_pairs")
    form: dict[bytes, bytes] = {}
    for pair in pairs:
        raw_name, equals, raw_value = pair.partition(b"=")
        name = _decoded(raw_name)
        if not equals or not name:
            raise FormMalformed("no_name")
        if name in form:
            raise FormMalformed("repeated_name")
        form[name] = _decoded(raw_value)
    return form


def form_texts(form: dict[bytes, bytes], charset: str, keep_empty: bool) -> dict[str, str]:
    """The pairs of a form as text: names of ASCII, values of `charset`.

    Pairs whose values are empty are left out unless `keep_empty`. Raises `FormMalformed`
    (`not_of_charset`), ValueError for a charset that is not of `CHARSETS`, TypeError for arguments
    of other types.
    """
    if type(form) is not dict:
        raise wrong_type("form", "dict", form)
    if type(charset) is not str:
        raise wrong_type("charset", "str", charset)
    if charset not in CHARSETS:
        raise ValueError(CHARSET_REFUSED)
    if type(keep_empty) is not bool:
        raise wrong_type("keep_empty", "bool", keep_empty)
    texts: dict[str, str] = {}
    for name, value in form.items():
        _require(name, value, bytes)
        if keep_empty or value:
            try:
                texts[name.decode("ascii")] = value.decode(charset)
            except UnicodeDecodeError:
                raise FormMalformed("not_of_charset") from None
    return texts


def join_sorted(
    fields: dict[str, str] | dict[bytes, bytes], left_out: tuple[bytes, ...], keep_empty: bool
) -> bytes:
    """`name=value` joined by `&`, sorted by the bytes of the names, values raw.

    Names in `left_out` are left out, and empty values unless `keep_empty`. Texts count as their
    UTF-8, whose order is that of their code points. Raises UnicodeEncodeError for a text that has
    none, TypeError for arguments of other types.
    """
    if type(fields) is not dict:
        raise wrong_type("fields", "dict", fields)
    if type(left_out) is not tuple:
        raise wrong_type("left_out", "tuple", left_out)
    for each in left_out:
        if type(each) is not bytes:
            raise wrong_type("left_out", "bytes", each)
    if type(keep_empty) is not bool:
        raise wrong_type("keep_empty", "bool", keep_empty)
    kept = []
    for name, value in fields.items():
        pair = _utf8("name", name), _utf8("value", value)
        if pair[0] not in left_out and (keep_empty or pair[1]):
            kept.append(pair)
    return b"&".join(b"%b=%b" % pair for pair in sorted(kept))


def write_form(fields: dict[str, str]) -> str:
    """The form of `fields` in their order, in UTF-8; all but RFC 3986's unreserved is escaped.

    So a space is `%20`, which a form and a query both take. Raises UnicodeEncodeError for a text
    that has no UTF-8, TypeError for arguments of other types.
    """
    if type(fields) is not dict:
        raise wrong_type("fields", "dict", fields)
    for name, value in fields.items():
        _require(name, value, str)
    return urlencode(fields, quote_via=quote, safe="")


def _decoded(text: bytes) -> bytes:
    text = text.replace(b"+", b" ")
    if _NO_ESCAPE.search(text):
        raise FormMalformed("no_escape")
    return unquote_to_bytes(text)


def _require(name: object, value: object, kind: type) -> None:
    if type(name) is not kind:
        raise wrong_type("name", kind.__name__, name)
    if type(value) is not kind:
        raise wrong_type("value", kind.__name__, value)


def _utf8(role: str, text: object) -> bytes:
    if type(text) is bytes:
        return text
    if type(text) is not str:
        raise wrong_type(role, "str or bytes", text)
    return text.encode("utf-8")

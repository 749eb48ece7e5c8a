"""Pure twin of `fastpath.form`: the specification.

Law. Strict, and one spelling only: nothing is repaired, and what has no UTF-8 is refused. Source:
WHATWG URL Standard, section 5 (application/x-www-form-urlencoded), of which this writes what every
reader takes; RFC 3986 section 2.1.
"""

from urllib.parse import quote, urlencode

from fastpath._arguments import wrong_type


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

"""Pure twin of `fastpath.signed_form`: the specification.

Law. Strict, and one reading only: nothing is decoded twice or repaired, and what two readers could
read differently is refused. Source: WHATWG URL Standard, section 5 (application/x-www-form-
urlencoded), of which this takes what well-behaved senders write; RFC 3986 section 2.1.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from fastpath._arguments import wrong_type
from fastpath._form_py import join_sorted
from fastpath._signed_form_terms import CHARSET_REFUSED, CHARSETS, PAIRS_MAX_REFUSED, FormMalformed

_NO_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class SignedForm:
    """The pairs of a form, percent-decoded once, `+` as a space, in the sender's charset.

    Raises `FormMalformed` for more than `pairs_max` pairs, and for the first pair that has no `=`
    or no name, a name that came before, or a `%` without two hexadecimal digits. An empty body is a
    pair without `=`. TypeError for arguments of other types, ValueError for a `pairs_max` below 1.
    """

    __slots__ = ("_pairs",)

    def __init__(self, body: bytes, pairs_max: int) -> None:
        if type(body) is not bytes:
            raise wrong_type("body", "bytes", body)
        if type(pairs_max) is not int:
            raise wrong_type("pairs_max", "int", pairs_max)
        if pairs_max < 1:
            raise ValueError(PAIRS_MAX_REFUSED)
        pairs = body.split(b"&")
        if len(pairs) > pairs_max:
            raise FormMalformed("too_many_pairs")
        self._pairs: dict[bytes, bytes] = {}
        for pair in pairs:
            raw_name, equals, raw_value = pair.partition(b"=")
            name = _decoded(raw_name)
            if not equals or not name:
                raise FormMalformed("no_name")
            if name in self._pairs:
                raise FormMalformed("repeated_name")
            self._pairs[name] = _decoded(raw_value)

    def __reduce__(self) -> str:
        raise TypeError("a SignedForm is not pickled")

    @property
    def has_empty(self) -> bool:
        """Whether a value is empty."""
        return not all(self._pairs.values())

    def pairs(self) -> dict[bytes, bytes]:
        """The pairs, in the order of the body."""
        return dict(self._pairs)

    def get(self, name: bytes) -> bytes | None:
        """The value of a name; None where there is no such name."""
        if type(name) is not bytes:
            raise wrong_type("name", "bytes", name)
        return self._pairs.get(name)

    def canonical(self, left_out: tuple[bytes, ...], keep_empty: bool) -> bytes:
        """What was signed: see `fastpath.form.join_sorted`."""
        return join_sorted(self._pairs, left_out, keep_empty)

    def texts(self, charset: str, keep_empty: bool) -> dict[str, str]:
        """The pairs as text, in the order of the body: names of ASCII, values of `charset`.

        Pairs whose values are empty are left out unless `keep_empty`. Raises `FormMalformed`
        (`not_of_charset`), ValueError for a charset that is not of `CHARSETS`, TypeError for
        arguments of other types.
        """
        _check_charset(charset)
        if type(keep_empty) is not bool:
            raise wrong_type("keep_empty", "bool", keep_empty)
        texts: dict[str, str] = {}
        for name, value in self._pairs.items():
            if keep_empty or value:
                try:
                    texts[name.decode("ascii")] = value.decode(charset)
                except UnicodeDecodeError:
                    raise FormMalformed("not_of_charset") from None
        return texts

    def texts_of(self, names: tuple[str, ...], charset: str) -> tuple[str | None, ...]:
        """The texts of `names`, each at its place; None for one that is absent or empty.

        Raises what `texts` raises, for what was not asked for too.
        """
        if type(names) is not tuple:
            raise wrong_type("names", "tuple", names)
        for name in names:
            if type(name) is not str:
                raise wrong_type("names", "str", name)
        texts = self.texts(charset, False)
        return tuple(texts.get(name) for name in names)


def _check_charset(charset: object) -> None:
    if type(charset) is not str:
        raise wrong_type("charset", "str", charset)
    if charset not in CHARSETS:
        raise ValueError(CHARSET_REFUSED)


def _decoded(text: bytes) -> bytes:
    text = text.replace(b"+", b" ")
    if _NO_ESCAPE.search(text):
        raise FormMalformed("no_escape")
    return unquote_to_bytes(text)

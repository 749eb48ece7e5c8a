"""Strict JSON: bytes of a body in, plain Python values or one exact refusal out.

Law: a body is accepted only if every reader of it would read the same thing. UTF-8 without a mark,
one object at the top, no repeated keys, no fractions or exponents, no NaN, no NUL, no lone
surrogates, at most `DEPTH_MAX` levels, `MEMBERS_MAX` members and 64-bit integers. Nothing is
repaired, nothing is guessed.

Two readings, one verdict: the quick one (compiled, for bodies that raise no doubt) never refuses;
whatever it doubts goes to the careful one, which finds the first fault and its JSON pointer.
Why the quick reading notices a repeated key: a colon of the body stands either between a key and
its value or inside a string. Strings are kept as they are, so if the value that was read, written
again, has as many colons as the body, then no member was dropped on the way.

Source: RFC 8259, RFC 6901 (pointers), /docs/errors.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from gateway.domain.errors import TillgateError

BODY_BYTES_MAX = 64 * 1024
DEPTH_MAX = 16
# Deeper bodies are read carefully. The type of each level doubles what Python hashes at import.
QUICK_DEPTH_MAX = 4
MEMBERS_MAX = 256
INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
INTEGER_TEXT_CHARACTERS_MAX = len(str(INTEGER_MIN))

_Schema = TypeVar("_Schema", bound=msgspec.Struct)


_Integer = Annotated[int, msgspec.Meta(ge=INTEGER_MIN, le=INTEGER_MAX)]


def _object_type(depth: int) -> Any:
    """An object of at most `depth` levels: the limits, said to the decoder."""
    scalar: Any = str | _Integer | bool | None
    value = scalar
    for _ in range(depth - 1):
        value = scalar | list[value] | dict[str, value]  # type: ignore[valid-type]
    return dict[str, value]  # type: ignore[valid-type]


_decode_quickly = msgspec.json.Decoder(_object_type(QUICK_DEPTH_MAX)).decode
_encode = msgspec.json.Encoder().encode

# Escapes that hide a NUL, a colon (see above) or half a character.
_DOUBTFUL_ESCAPE = re.compile(rb"\\u(?:00(?:00|3[aA])|[dD][89a-fA-F])")


def read_json(raw: bytes) -> dict[str, object]:
    """Read a body of at most `BODY_BYTES_MAX` bytes; no bytes at all count as `{}`.

    Raises TillgateError: `malformed_request`; for numbers that are no 64-bit integers
    `invalid_amount` (a member called `amount`) or `invalid_field`. `param` points at the place.
    """
    if not raw:
        return {}
    colons = raw.count(b":")
    if colons <= MEMBERS_MAX and not (b"\\u" in raw and _DOUBTFUL_ESCAPE.search(raw)):
        try:
            value: dict[str, object] = _decode_quickly(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        else:
            if _encode(value).count(b":") == colons:
                return value
    return _read_carefully(raw)


class _Number(str):
    """The text of a number that is no 64-bit integer."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """The members of an object as they stand in the body, repeats included."""

    __slots__ = ()


def _integer(text: str) -> int | _Number:
    # The length comes first: reading ten thousand digits costs more than refusing them.
    if len(text) > INTEGER_TEXT_CHARACTERS_MAX:
        return _Number(text)
    value = int(text)
    return value if INTEGER_MIN <= value <= INTEGER_MAX else _Number(text)


def _constant(text: str) -> Any:
    raise _malformed(f"{text} is not JSON.")


_decode_carefully = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_float=_Number, parse_int=_integer, parse_constant=_constant
).decode


def _read_carefully(raw: bytes) -> dict[str, object]:
    try:
        read = _decode_carefully(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise _malformed("The body is not UTF-8.") from None
    except json.JSONDecodeError as fault:
        raise _malformed(f"The body is not JSON (character {fault.pos}).") from None
    except RecursionError:
        raise _malformed(f"The body is nested deeper than {DEPTH_MAX} levels.") from None
    if not isinstance(read, _Pairs):
        raise _malformed("The body is not a JSON object.")
    examination = _Examination()
    return examination.members(read, "", 1)


class _Examination:
    """One walk over a careful reading, in the order of the body, up to the first fault."""

    __slots__ = ("_members_seen",)

    def __init__(self) -> None:
        self._members_seen = 0

    def members(self, pairs: _Pairs, pointer: str, depth: int) -> dict[str, object]:
        _examine_depth(depth, pointer)
        members: dict[str, object] = {}
        for key, value in pairs:
            self._members_seen += 1
            if self._members_seen > MEMBERS_MAX:
                raise _malformed(f"The body has more than {MEMBERS_MAX} members.")
            _examine_text(key, pointer)
            place = f"{pointer}/{escape_pointer(key)}"
            if key in members:
                raise _malformed("A key is repeated.", place)
            members[key] = self._value(value, place, depth)
        return members

    def _value(self, value: Any, pointer: str, depth: int) -> object:
        if isinstance(value, _Pairs):
            return self.members(value, pointer, depth + 1)
        if isinstance(value, list):
            _examine_depth(depth + 1, pointer)
            return [
                self._value(item, f"{pointer}/{place}", depth + 1)
                for place, item in enumerate(value)
            ]
        if isinstance(value, _Number):
            raise TillgateError(
                code_for(pointer), "The number is not an integer of 64 bits.", param=pointer
            )
        if isinstance(value, str):
            _examine_text(value, pointer)
        return value


def _examine_depth(depth: int, pointer: str) -> None:
    if depth > DEPTH_MAX:
        raise _malformed(f"The body is nested deeper than {DEPTH_MAX} levels.", pointer)


def _examine_text(text: str, pointer: str) -> None:
    """Refuse what PostgreSQL cannot store and what no UTF-8 can say again."""
    if "\x00" in text:
        raise _malformed("A text contains NUL.", pointer)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _malformed("A text contains half of a character.", pointer) from None


def _malformed(detail: str, pointer: str | None = None) -> TillgateError:
    return TillgateError("malformed_request", detail, param=pointer)


def escape_pointer(key: str) -> str:
    """One token of a JSON pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def code_for(pointer: str) -> str:
    """The code for a bad value at `pointer`; what is called so in metadata is no money."""
    if not pointer.startswith("/metadata/"):
        if pointer.endswith("/amount"):
            return "invalid_amount"
        if pointer.endswith("/currency"):
            return "invalid_currency"
    return "invalid_field"


# From values to a schema


def convert(value: Mapping[str, object], schema: type[_Schema]) -> _Schema:
    """Make a `schema` of a body that was read; `null` members count as absent.

    The schema forbids unknown fields; its optional fields are written `name: X | None = None` or
    `name: X = default`, so that null and absence cannot differ.
    Raises TillgateError: `unknown_field`, `missing_field`, `invalid_amount`, `invalid_currency`,
    `invalid_field`, with `param`.
    """
    try:
        return msgspec.convert(value, schema)
    except msgspec.ValidationError as fault:
        present = without_nulls(value)
        if present == value:
            raise _refusal(fault, present, schema) from None
    try:
        return msgspec.convert(present, schema)
    except msgspec.ValidationError as fault:
        raise _refusal(fault, present, schema) from None


def without_nulls(value: Mapping[str, object]) -> dict[str, object]:
    """The same object without members that are null, at every depth; items of arrays stay."""
    return {key: _without_nulls(item) for key, item in value.items() if item is not None}


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return without_nulls(value)
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_PLACE = re.compile(r" - at (?:`key` in )?`\$([^`]*)`\Z")
_KEY_PLACE = " - at `key` in `"
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")
_QUOTED_VALUE = re.compile(r"\A(Invalid (?:enum )?value) .*\Z", re.DOTALL)


def _refusal(
    fault: msgspec.ValidationError, value: dict[str, object], schema: type[msgspec.Struct]
) -> TillgateError:
    """Say msgspec's finding in our own codes, with a pointer, without repeating the value."""
    text = str(fault)
    place = _PLACE.search(text)
    finding = text[: place.start()] if place else text
    path = place.group(1) if place else ""
    if place and _KEY_PLACE in place.group(0):
        path += "[...]"
    pointer = _pointer(path, value, schema, text)
    if unknown := _UNKNOWN.fullmatch(finding):
        pointer += "/" + escape_pointer(unknown.group(1))
        return TillgateError("unknown_field", "There is no such field.", param=pointer)
    if missing := _MISSING.fullmatch(finding):
        pointer += "/" + escape_pointer(missing.group(1))
        return TillgateError("missing_field", "The field is required.", param=pointer)
    detail = _QUOTED_VALUE.sub(r"\1", finding).replace("`", "") + "."
    return TillgateError(code_for(pointer), detail, param=pointer or None)


def _pointer(path: str, value: dict[str, object], schema: type[msgspec.Struct], text: str) -> str:
    """The JSON pointer for a path of msgspec's, whose `[...]` does not say which key it means."""
    pointer = ""
    container: object = value
    for step in _STEP.finditer(path):
        name, place, some_key = step.groups()
        if some_key is not None:
            if not isinstance(container, dict):
                return pointer
            key = _guilty_key(container, value, schema, text)
        else:
            key = name or ""
        if isinstance(container, dict) and key in container:
            pointer += "/" + escape_pointer(key)
            container = container[key]
        elif place is not None and isinstance(container, list) and int(place) < len(container):
            pointer += "/" + place
            container = container[int(place)]
        else:
            return pointer
    return pointer


def _guilty_key(
    container: dict[str, object],
    value: dict[str, object],
    schema: type[msgspec.Struct],
    text: str,
) -> str:
    """Which member of `container` (a part of `value`) raises `text`: tried one at a time."""
    members = dict(container)
    try:
        for key, item in members.items():
            container.clear()
            container[key] = item
            try:
                msgspec.convert(value, schema)
            except msgspec.ValidationError as fault:
                if str(fault) == text:
                    return key
    finally:
        container.clear()
        container.update(members)
    return ""

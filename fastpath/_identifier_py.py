"""Pure twin of `fastpath.identifier`: the specification.

Law. It puts given numbers together, writes them down and reads them back: no clock, no
randomness. Only `digits_of` judges what strangers sent; the other readings are for ids of our own.
Sources: TypeID 0.3.0 (text), RFC 9562 section 5.7 (UUIDv7, whose `rand_a` carries the bucket).
"""

from typing import Final

from fastpath._arguments import wrong_type
from fastpath._identifier_terms import NOT_128_BITS, NOT_BASE32, NOT_OCTETS, OCTETS, TEXT_CHARS

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_ALLOWED: Final = frozenset(_ALPHABET)
# `int` reads base 32 too, with the letters a to v.
_FOR_INT: Final = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")


def _text(prefix: str, number: int) -> str:
    """The id of a 128-bit number."""
    characters = "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{characters}"


def _number(text: str) -> int:
    """The 128-bit number of an id's last 26 characters."""
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    characters = text[-TEXT_CHARS:]
    if len(characters) != TEXT_CHARS or not _ALLOWED.issuperset(characters):
        raise ValueError(NOT_BASE32)
    number = int(characters.translate(_FOR_INT), 32)
    if number >> 128:
        raise OverflowError(NOT_128_BITS)
    return number


def make_identifier(prefix: str, at_ms: int, bucket: int, random62: int) -> tuple[str, str]:
    """A new id as text (`prefix_` and 26 characters) and as 32 hexadecimal digits.

    `at_ms` are Unix milliseconds below 2**48, `bucket` 0 to 4095, `random62` below 2**62.
    Raises TypeError for other types (a bool is not an int) and OverflowError beyond those bounds.
    """
    if type(prefix) is not str:
        raise wrong_type("prefix", "str", prefix)
    for name, value, bits in (
        ("at_ms", at_ms, 48),
        ("bucket", bucket, 12),
        ("random62", random62, 62),
    ):
        if type(value) is not int:
            raise wrong_type(name, "int", value)
        if not 0 <= value < 1 << bits:
            raise OverflowError(f"{name} does not fit {bits} bits")
    number = at_ms << 80 | 0x7 << 76 | bucket << 64 | 0b10 << 62 | random62
    return _text(prefix, number), f"{number:032x}"


def digits_of(prefix: str, text: str) -> str | None:
    """The 32 hexadecimal digits of an id, None if `text` is no well-formed id with this prefix.

    Well-formed is a UUID of version 7. Raises TypeError if an argument is not a str.
    """
    if type(prefix) is not str:
        raise wrong_type("prefix", "str", prefix)
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    if text[:-TEXT_CHARS] != f"{prefix}_":
        return None
    try:
        number = _number(text)
    except (ValueError, OverflowError):
        return None
    if number >> 76 & 0xF != 0x7 or number >> 62 & 0b11 != 0b10:
        return None
    return f"{number:032x}"


def read_digits(text: str) -> str:
    """The 32 hexadecimal digits of an id's last 26 characters, whatever stands before them.

    Raises TypeError if not a str, ValueError if those are not 26 characters of Crockford's
    lower-case base32, OverflowError if they are more than 128 bits (the first is above 7).
    """
    return f"{_number(text):032x}"


def read_numbers(text: str) -> tuple[int, int, int]:
    """What `make_identifier` was given: `at_ms`, `bucket` and `random62`.

    Looks at the last 26 characters; raises what `read_digits` raises.
    """
    number = _number(text)
    return number >> 80, number >> 64 & 0xFFF, number & (1 << 62) - 1


def write_identifier(prefix: str, octets: bytes) -> str:
    """The id of a UUID's 16 bytes, most significant first; of whatever version.

    Raises TypeError for other types and ValueError for another number of bytes.
    """
    if type(prefix) is not str:
        raise wrong_type("prefix", "str", prefix)
    if type(octets) is not bytes:
        raise wrong_type("octets", "bytes", octets)
    if len(octets) != OCTETS:
        raise ValueError(NOT_OCTETS)
    return _text(prefix, int.from_bytes(octets))

"""Pure twin of `fastpath.identifier`: the specification.

Law. It puts given numbers together and writes them down: no clock, no randomness.
Sources: TypeID 0.3.0 (text), RFC 9562 section 5.7 (UUIDv7, whose `rand_a` carries the bucket).
"""

from typing import Final

from fastpath._arguments import wrong_type

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_TEXT_CHARS: Final = 26


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
    text = "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{text}", f"{number:032x}"


def digits_of(prefix: str, text: str) -> str | None:
    """The 32 hexadecimal digits of an id, None if `text` is no well-formed id with this prefix.

    Raises TypeError if an argument is not a str.
    """
    if type(prefix) is not str:
        raise wrong_type("prefix", "str", prefix)
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    head, characters = text[:-_TEXT_CHARS], text[-_TEXT_CHARS:]
    if head != f"{prefix}_" or len(characters) != _TEXT_CHARS:
        return None
    if characters[0] > "7" or any(character not in _ALPHABET for character in characters):
        return None
    number = 0
    for character in characters:
        number = number << 5 | _ALPHABET.index(character)
    if number >> 76 & 0xF != 0x7 or number >> 62 & 0b11 != 0b10:
        return None
    return f"{number:032x}"

"""Ids: TypeIDs whose UUIDv7 carries the bucket, so that any id finds its shard without a look-up.

Law: pure. `make` is given the time and the randomness; nothing here reads a clock.

    text     pay_01jd3x...            prefix, underscore, 26 characters of Crockford base32
    UUIDv7   48 bits milliseconds | 0111 | 12 bits bucket | 10 | 62 bits random
             (an event's last 62 bits are its sequence, so its id needs no column and no index)

A merchant's bucket is chosen at its creation and everything of the merchant shares it.
Sources: TypeID 0.3.0, RFC 9562 section 5.7 (`rand_a` carries application data).
"""

from functools import lru_cache
from uuid import UUID

BUCKETS = 4096
TEXT_CHARS = 26

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Python's int() reads base 32 with the digits 0-9a-v: one table turns Crockford into that.
_TO_BASE32HEX = bytes.maketrans(_ALPHABET.encode(), b"0123456789abcdefghijklmnopqrstuv")
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_ALLOWED = frozenset(_ALPHABET)
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_MASK = (1 << 62) - 1
_WORD = (1 << 30) - 1
_UUID_BYTES = 16
# A merchant's id is in every row of its batch and in every new id; remembering is ten times as
# fast as reading it again, and costs at most 1 MB.
_REMEMBERED_MAX = 4096


def _text(number: int) -> str:
    """The 26 characters of a 128-bit number."""
    pairs = _PAIRS
    # In words of 30 bits, because Python shifts and masks those several times as fast.
    a, b = number >> 90, number >> 60 & _WORD
    c, d = number >> 30 & _WORD, number & _WORD
    return (
        f"{pairs[a >> 30]}{pairs[a >> 20 & 1023]}{pairs[a >> 10 & 1023]}{pairs[a & 1023]}"
        f"{pairs[b >> 20]}{pairs[b >> 10 & 1023]}{pairs[b & 1023]}"
        f"{pairs[c >> 20]}{pairs[c >> 10 & 1023]}{pairs[c & 1023]}"
        f"{pairs[d >> 20]}{pairs[d >> 10 & 1023]}{pairs[d & 1023]}"
    )


def make(prefix: str, *, at_ms: int, bucket: int, random62: int) -> str:
    """A new id: `at_ms` Unix milliseconds, `bucket` 0..4095, `random62` 62 random bits."""
    number = at_ms << 80 | _VERSION | bucket << 64 | _VARIANT | random62 & _RANDOM_MASK
    return f"{prefix}_{_text(number)}"


def _number(text: str) -> int:
    return int(text[-TEXT_CHARS:].encode().translate(_TO_BASE32HEX), 32)


def parse(prefix: str, text: str) -> str | None:
    """`text` if it is a well-formed id with this prefix, else None."""
    if (
        len(text) != len(prefix) + 1 + TEXT_CHARS
        or not text.startswith(prefix + "_")
        or text[-TEXT_CHARS] > "7"
        or not _ALLOWED.issuperset(text[-TEXT_CHARS:])
    ):
        return None
    number = _number(text)
    if number >> 76 & 0xF != 0x7 or number >> 62 & 0b11 != 0b10:
        return None
    return text


@lru_cache(_REMEMBERED_MAX)
def bucket_of(text: str) -> int:
    """The bucket (0..4095) that an id carries."""
    return _number(text) >> 64 & (BUCKETS - 1)


def time_ms_of(text: str) -> int:
    """The Unix milliseconds at which an id was made."""
    return _number(text) >> 80


def number_of(text: str) -> str:
    """The 26 characters behind the prefix: what a channel gets as our order or refund number."""
    return text[-TEXT_CHARS:]


@lru_cache(_REMEMBERED_MAX)
def to_hex(text: str) -> str:
    """The UUID as 32 hexadecimal digits, the form in which it goes to Postgres.

    Raises OverflowError for 26 characters that are more than 128 bits (`parse` refuses them).
    """
    return _number(text).to_bytes(_UUID_BYTES).hex()


def from_uuid(prefix: str, uuid: UUID) -> str:
    """The id of a UUID that came from Postgres."""
    return f"{prefix}_{_text(uuid.int)}"


def event_id(*, at_ms: int, bucket: int, sequence: int) -> str:
    """The id of an event, made of what the journal row holds anyway."""
    if not 0 < sequence <= _RANDOM_MASK:
        raise OverflowError(f"sequence {sequence} does not fit an event id")
    return make("evt", at_ms=at_ms, bucket=bucket, random62=sequence)


def sequence_of(event: str) -> int:
    """The sequence that an event id carries."""
    return _number(event) & _RANDOM_MASK


def first_at(at_ms: int) -> str:
    """The 32 hexadecimal digits of the smallest UUID that an id made at `at_ms` can have."""
    return f"{at_ms << 80:032x}"

"""Ids: TypeIDs whose UUIDv7 carries the bucket, so that any id finds its shard without a look-up.

Law: pure. `make` is given the time and the randomness; nothing here reads a clock.

    text     pay_01jd3x...            prefix, underscore, 26 characters of Crockford base32
    UUIDv7   48 bits milliseconds | 0111 | 12 bits bucket | 10 | 62 bits random
             (an event's last 62 bits are its sequence, so its id needs no column and no index)

A merchant's bucket is chosen at its creation and everything of the merchant shares it.
Sources: TypeID 0.3.0, RFC 9562 section 5.7 (`rand_a` carries application data).
"""

from uuid import UUID

from fastpath.identifier import (
    digits_of,
    make_identifier,
    read_digits,
    read_numbers,
    write_identifier,
)

BUCKETS = 4096
TEXT_CHARS = 26

_SEQUENCE_MAX = (1 << 62) - 1


def make(prefix: str, *, at_ms: int, bucket: int, random62: int) -> str:
    """A new id: `at_ms` Unix milliseconds, `bucket` 0..4095, `random62` 62 random bits.

    Raises OverflowError for numbers beyond those bounds.
    """
    return make_identifier(prefix, at_ms, bucket, random62)[0]


def parse(prefix: str, text: str) -> str | None:
    """`text` if it is a well-formed id with this prefix, else None."""
    return None if digits_of(prefix, text) is None else text


def bucket_of(text: str) -> int:
    """The bucket (0..4095) that an id carries."""
    return read_numbers(text)[1]


def time_ms_of(text: str) -> int:
    """The Unix milliseconds at which an id was made."""
    return read_numbers(text)[0]


def number_of(text: str) -> str:
    """The 26 characters behind the prefix: what a channel gets as our order or refund number."""
    return text[-TEXT_CHARS:]


def to_hex(text: str) -> str:
    """The UUID as 32 hexadecimal digits, the form in which it goes to Postgres.

    Raises ValueError for what does not end in 26 characters of an id, and OverflowError if those
    are more than 128 bits (`parse` refuses both).
    """
    return read_digits(text)


def from_uuid(prefix: str, uuid: UUID) -> str:
    """The id of a UUID that came from Postgres."""
    return write_identifier(prefix, uuid.bytes)


def event_id(*, at_ms: int, bucket: int, sequence: int) -> str:
    """The id of an event, made of what the journal row holds anyway."""
    if not 0 < sequence <= _SEQUENCE_MAX:
        raise OverflowError(f"sequence {sequence} does not fit an event id")
    return make_identifier("evt", at_ms, bucket, sequence)[0]


def sequence_of(event: str) -> int:
    """The sequence that an event id carries."""
    return read_numbers(event)[2]


def first_at(at_ms: int) -> str:
    """The 32 hexadecimal digits of the smallest UUID that an id made at `at_ms` can have."""
    return f"{at_ms << 80:032x}"

"""Ids: TypeIDs that carry their bucket."""

from uuid import UUID

import pytest
from asyncpg.pgproto.pgproto import UUID as DriversUUID
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import ids

pytestmark = pytest.mark.fast

MS = st.integers(0, 2**48 - 1)
BUCKET = st.integers(0, 4095)
RANDOM = st.integers(0, 2**62 - 1)


@given(MS, BUCKET, RANDOM)
def test_an_id_gives_back_what_it_was_made_of(at_ms: int, bucket: int, random62: int) -> None:
    text = ids.make("pay", at_ms=at_ms, bucket=bucket, random62=random62)
    assert len(text) == 30 and ids.parse("pay", text) == text
    assert ids.bucket_of(text) == bucket and ids.time_ms_of(text) == at_ms
    uuid = UUID(hex=ids.to_hex(text))
    assert uuid.version == 7 and uuid.variant == "specified in RFC 4122"
    assert ids.from_uuid("pay", uuid) == text


@given(MS, BUCKET, st.integers(1, 2**62 - 1))
def test_an_event_id_carries_its_sequence(at_ms: int, bucket: int, sequence: int) -> None:
    text = ids.event_id(at_ms=at_ms, bucket=bucket, sequence=sequence)
    assert ids.sequence_of(text) == sequence and ids.bucket_of(text) == bucket


@pytest.mark.parametrize("sequence", [0, -1, 2**62])
def test_a_sequence_that_does_not_fit_is_refused_and_never_wraps(sequence: int) -> None:
    with pytest.raises(OverflowError):
        ids.event_id(at_ms=1, bucket=1, sequence=sequence)


GOOD = ids.make("pay", at_ms=1_700_000_000_000, bucket=7, random62=42)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pay_",
        GOOD[:-1],
        GOOD + "0",
        GOOD.upper(),
        "att" + GOOD[3:],
        GOOD.replace("pay_", "pay-"),
        "pay_8" + GOOD[5:],  # over 128 bits
        GOOD[:-1] + "u",  # not in Crockford's alphabet
        GOOD[:-1] + "٣",
        "pay_" + "0" * 26,  # no version 7
        " " + GOOD[1:],
    ],
)
def test_what_is_no_id_is_not_read(text: str) -> None:
    assert ids.parse("pay", text) is None


def test_the_known_text_of_a_known_uuid() -> None:
    # TypeID specification, valid.yml: "valid-uuidv7"
    uuid = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert ids.from_uuid("prefix", uuid) == "prefix_01h455vb4pex5vsknk084sn02q"
    assert ids.to_hex("prefix_01h455vb4pex5vsknk084sn02q") == uuid.hex


def test_a_uuid_of_the_driver_of_postgres_is_read_like_one_of_python() -> None:
    uuid = DriversUUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert ids.from_uuid("pay", uuid) == "pay_01h455vb4pex5vsknk084sn02q"


@pytest.mark.parametrize("text", ["", "pay_", "pay_1", GOOD[:-1] + "u", GOOD.upper()])
def test_what_is_no_id_has_no_digits_and_no_bucket(text: str) -> None:
    for read in (ids.to_hex, ids.bucket_of, ids.time_ms_of, ids.sequence_of):
        with pytest.raises(ValueError):
            read(text)


def test_more_than_128_bits_never_wrap() -> None:
    for read in (ids.to_hex, ids.bucket_of, ids.time_ms_of, ids.sequence_of):
        with pytest.raises(OverflowError):
            read("pay_8" + GOOD[5:])


@pytest.mark.parametrize(
    "beyond", [{"at_ms": 2**48}, {"at_ms": -1}, {"bucket": 4096}, {"random62": 2**62}]
)
def test_numbers_that_do_not_fit_are_refused_and_never_wrap(beyond: dict[str, int]) -> None:
    with pytest.raises(OverflowError):
        ids.make("pay", **({"at_ms": 1, "bucket": 1, "random62": 1} | beyond))


@given(st.integers(0, 2**48 - 2))
def test_the_first_id_of_a_millisecond_is_not_above_any_of_it(at_ms: int) -> None:
    smallest = ids.to_hex(ids.make("pay", at_ms=at_ms, bucket=0, random62=0))
    greatest = ids.to_hex(ids.make("pay", at_ms=at_ms, bucket=4095, random62=2**62 - 1))
    assert ids.first_at(at_ms) <= smallest < greatest < ids.first_at(at_ms + 1)

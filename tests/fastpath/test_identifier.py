"""Both twins of `fastpath.identifier` against the standard library's UUIDs and wrong texts."""

from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.fast

TOP = (2**48 - 1, 4095, 2**62 - 1)


@pytest.mark.parametrize("numbers", [(0, 0, 0), (1_700_000_000_000, 1234, 2**61 + 5), TOP])
def test_an_id_is_a_uuid_of_version_7(
    identifier: ModuleType, numbers: tuple[int, int, int]
) -> None:
    at_ms, bucket, random62 = numbers
    text, digits = identifier.make_identifier("pay", *numbers)
    uuid = UUID(digits)
    assert uuid.version == 7 and uuid.variant == "specified in RFC 4122"
    assert uuid.int >> 80 == at_ms
    assert uuid.int >> 64 & 4095 == bucket
    assert uuid.int & (2**62 - 1) == random62
    assert identifier.digits_of("pay", text) == digits


def test_known_texts(identifier: ModuleType) -> None:
    made = identifier.make_identifier("x", *TOP)
    assert made == ("x_7zzzzzzzzzfzzvzzzzzzzzzzzz", "ffffffffffff7fffbfffffffffffffff")
    assert identifier.make_identifier("x", 0, 0, 0)[1] == "00000000000070008000000000000000"


# TypeID 0.3.0, spec/valid.yml. A prefix of ours is never empty, so those without one get `x`.
SPECIFIED = [
    ("x", "00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
    ("x", "00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
    ("x", "0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"),
    ("x", "0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
    ("x", "00000000000000000000000010", "00000000-0000-0000-0000-000000000020"),
    ("x", "7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ("prefix", "0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"),
    ("prefix", "01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ("pre_fix", "00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
]


@pytest.mark.parametrize(("prefix", "characters", "text"), SPECIFIED)
def test_the_specified_texts(
    identifier: ModuleType, prefix: str, characters: str, text: str
) -> None:
    uuid, whole = UUID(text), f"{prefix}_{characters}"
    assert identifier.write_identifier(prefix, uuid.bytes) == whole
    assert identifier.read_digits(whole) == identifier.read_digits(characters) == uuid.hex
    numbers = (uuid.int >> 80, uuid.int >> 64 & 4095, uuid.int & (2**62 - 1))
    assert identifier.read_numbers(whole) == numbers
    assert identifier.digits_of(prefix, whole) == (uuid.hex if uuid.version == 7 else None)


# The suffixes of TypeID 0.3.0, spec/invalid.yml.
REFUSED = [
    "_",
    "prefix_1234567890123456789012345",
    "prefix_1234567890123456789012345 ",
    "prefix_0123456789ABCDEFGHJKMNPQRS",
    "prefix_123456789-123456789-123456",
    "prefix_ooooooiiiiiiuuuuuuulllllll",
    "prefix_i23456789ol23456789oi23456",
    "prefix_123456789-0123456789-0123456",
]


@pytest.mark.parametrize(
    "text",
    [
        *REFUSED,
        "",
        "pay_",
        "pay_01h455vb4pex5vsknk084sn0٣q",
        "pay_\ud80001h455vb4pex5vsknk084sn02",
        "\u3030" * 26,
    ],
)
def test_what_is_not_base32_is_not_read(identifier: ModuleType, text: str) -> None:
    for read in (identifier.read_digits, identifier.read_numbers):
        with pytest.raises(ValueError, match=r"^an id ends in 26 characters"):
            read(text)


@pytest.mark.parametrize("text", [*REFUSED, "prefix_123456789012345678901234567"])
def test_the_specified_refusals_have_no_digits(identifier: ModuleType, text: str) -> None:
    assert identifier.digits_of("prefix", text) is None


@pytest.mark.parametrize("text", ["prefix_8zzzzzzzzzzzzzzzzzzzzzzzzz", "z" * 26])
def test_more_than_128_bits_are_refused(identifier: ModuleType, text: str) -> None:
    for read in (identifier.read_digits, identifier.read_numbers):
        with pytest.raises(OverflowError, match=r"at most 128 bits$"):
            read(text)


@given(prefix=st.text(max_size=5), octets=st.binary(min_size=16, max_size=16))
def test_what_is_written_is_read_again(identifier: ModuleType, prefix: str, octets: bytes) -> None:
    text = identifier.write_identifier(prefix, octets)
    assert text.startswith(f"{prefix}_") and len(text) == len(prefix) + 27
    assert identifier.read_digits(text) == octets.hex()


@given(st.integers(0, TOP[0]), st.integers(0, TOP[1]), st.integers(0, TOP[2]))
def test_the_numbers_of_an_id_are_those_it_was_made_of(
    identifier: ModuleType, at_ms: int, bucket: int, random62: int
) -> None:
    text, _ = identifier.make_identifier("pay", at_ms, bucket, random62)
    assert identifier.read_numbers(text) == (at_ms, bucket, random62)


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_another_number_of_bytes_is_refused(identifier: ModuleType, size: int) -> None:
    with pytest.raises(ValueError, match=r"^octets must be 16 bytes$"):
        identifier.write_identifier("pay", bytes(size))


def test_a_prefix_may_be_any_text(identifier: ModuleType) -> None:
    for prefix in ("", "支付", "\ud800"):
        text, digits = identifier.make_identifier(prefix, *TOP)
        assert identifier.digits_of(prefix, text) == digits
        assert identifier.digits_of("pay", text) is None
    assert identifier.digits_of("é", "e_7zzzzzzzzzfzzvzzzzzzzzzzzz") is None
    # A wide character's first byte in memory may be another's only one.
    assert identifier.digits_of("\u6170", "p_7zzzzzzzzzfzzvzzzzzzzzzzzz") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pay",
        "pay_",
        "pay_0000000000e008000000000000"[:-1],
        "pay_01h455vb4pex5vsknk084sn02q0",
        "rfd_01h455vb4pex5vsknk084sn02q",
        "PAY_01h455vb4pex5vsknk084sn02q",
        "pay-01h455vb4pex5vsknk084sn02q",
        "pay_81h455vb4pex5vsknk084sn02q",
        "pay_01h455vb4pex5vsknk084sn02i",
        "pay_01h455vb4pex5vsknk084sn02Q",
        "pay_01h455vb4pex5vsknk084sn0é",
        "pay_00000000000000000000000000",
        "pay_\ud80001h455vb4pex5vsknk084sn02",
    ],
)
def test_what_is_no_id_has_no_digits(identifier: ModuleType, text: str) -> None:
    assert identifier.digits_of("pay", text) is None


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        ((2**48, 0, 0), "at_ms"),
        ((-1, 0, 0), "at_ms"),
        ((0, 4096, 0), "bucket"),
        ((0, -1, 0), "bucket"),
        ((0, 0, 2**62), "random62"),
        ((0, 0, -(2**70)), "random62"),
    ],
)
def test_numbers_beyond_their_bounds_are_refused(
    identifier: ModuleType, numbers: tuple[int, int, int], name: str
) -> None:
    with pytest.raises(OverflowError, match=f"^{name} does not fit"):
        identifier.make_identifier("pay", *numbers)


@pytest.mark.parametrize("wrong", [1.0, True, "1", None])
def test_other_types_are_refused(identifier: ModuleType, wrong: Any) -> None:
    for place, name in enumerate(("at_ms", "bucket", "random62")):
        numbers: list[Any] = [0, 0, 0]
        numbers[place] = wrong
        with pytest.raises(TypeError, match=f"^{name} must be int"):
            identifier.make_identifier("pay", *numbers)
    with pytest.raises(TypeError, match=r"^prefix must be str"):
        identifier.make_identifier(b"pay", 0, 0, 0)
    with pytest.raises(TypeError, match=r"^prefix must be str"):
        identifier.write_identifier(b"pay", bytes(16))
    with pytest.raises(TypeError, match=r"^text must be str"):
        identifier.digits_of("pay", b"x")
    for read in (identifier.read_digits, identifier.read_numbers):
        with pytest.raises(TypeError, match=r"^text must be str"):
            read(b"0" * 26)
    with pytest.raises(TypeError, match=r"^octets must be bytes"):
        identifier.write_identifier("pay", bytearray(16))

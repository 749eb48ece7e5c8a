"""Both twins of `fastpath.identifier` against the standard library's UUIDs and wrong texts."""

from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

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
    with pytest.raises(TypeError, match=r"^text must be str"):
        identifier.digits_of("pay", b"x")

"""What is timed of the twins is the same work, and the bare digest is of the very bytes."""

import os

import pytest

from benchmarks.twins import PIECES, amount, check_signature, digest, twin, verify, whole

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("piece", [*PIECES, amount, whole])
def test_both_twins_give_the_same(piece) -> None:  # type: ignore[no-untyped-def]
    twins = ["py"] if os.environ.get("FASTPATH_PURE") == "1" else ["py", "c"]
    assert len({repr(piece(twin(suffix))()) for suffix in twins}) == 1


def test_no_piece_is_in_doubt_of_what_it_reads() -> None:
    assert None not in [piece(twin("py"))() for piece in PIECES]


def test_what_is_verified_is_right_and_the_digest_is_its_own() -> None:
    assert verify(twin("py"))() is True
    assert check_signature(twin("py"))() is True
    assert len(digest()()) == 32

"""Ids of the machine's clock and randomness, read back by the domain."""

import time

import pytest

from gateway.adapters.system.identifiers import RandomIds
from gateway.domain import ids

pytestmark = pytest.mark.fast

MERCHANT = ids.make("mch", at_ms=1_700_000_000_000, bucket=4095, random62=1)
DRAWN_AT_ONCE = 512


def test_a_new_id_lies_in_its_merchants_bucket_and_in_the_present() -> None:
    before = int(time.time() * 1000)
    made = RandomIds().make("pay", MERCHANT)
    after = int(time.time() * 1000)
    assert ids.parse("pay", made) == made and ids.bucket_of(made) == 4095
    assert before <= ids.time_ms_of(made) <= after


def test_the_digits_of_a_new_id_are_those_of_its_text() -> None:
    made, digits = RandomIds().make_with_digits("pay", MERCHANT)
    assert ids.parse("pay", made) == made
    assert ids.bucket_of(made) == 4095 and ids.to_hex(made) == digits


def test_a_bucket_can_be_asked_for() -> None:
    assert ids.bucket_of(RandomIds().in_bucket("mch", 77)) == 77


def test_ids_beyond_one_drawing_of_randomness_all_differ() -> None:
    source = RandomIds()
    made = [source.request_id() for _ in range(3 * DRAWN_AT_ONCE)]
    assert all(ids.parse("req", each) for each in made)
    assert len({ids.sequence_of(each) for each in made}) == len(made)

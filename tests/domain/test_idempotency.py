"""Idempotency: what counts as the same content."""

import pytest

from gateway.domain.errors import TillgateError
from gateway.domain.idempotency import Fingerprints, canonical, check_repeat

pytestmark = pytest.mark.fast

KEYS = Fingerprints({1: b"a" * 32, 2: b"b" * 32})
BODY = {"merchant_order_no": "A", "amount": 1, "metadata": {"a": "1", "b": "2"}}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"metadata": {"b": "2", "a": "1"}, "amount": 1, "merchant_order_no": "A"}, True),
        (BODY | {"method": None}, True),
        (BODY | {"metadata": {"a": "1", "b": "2", "c": None}}, True),
        (BODY | {"amount": 2}, False),
        (BODY | {"expires_in": 7200}, False),  # defaults are not filled in
        (BODY | {"amount": "1"}, False),
        (BODY | {"metadata": {"a": "12"}}, False),
    ],
)
def test_same_content(other: dict, same: bool) -> None:
    assert (canonical("op", "/p", BODY) == canonical("op", "/p", other)) is same


def test_a_text_that_says_null_is_no_null() -> None:
    saying = BODY | {"subject": "null and void"}
    assert canonical("op", "/p", saying) == canonical("op", "/p", saying | {"method": None})
    assert canonical("op", "/p", saying) != canonical("op", "/p", BODY)
    assert canonical("op", "/p", {"a": [None]}) != canonical("op", "/p", {"a": []})


def test_operation_and_path_count() -> None:
    assert canonical("op", "/p", BODY) != canonical("op", "/q", BODY)
    assert canonical("op", "/p", BODY) != canonical("po", "/p", BODY)


def test_a_repeat_is_judged_under_the_key_that_made_it() -> None:
    old = Fingerprints({1: b"a" * 32}).numbered("op", "/p", BODY, "A")
    now = KEYS.numbered("op", "/p", BODY, "A")
    assert now.fingerprint_key == 2 and now.fingerprint != old.fingerprint
    check_repeat("payment", now, KEYS, stored=old.fingerprint, key_number=1)
    with pytest.raises(TillgateError) as refused:
        other = KEYS.numbered("op", "/p", BODY | {"amount": 2}, "A")
        check_repeat("payment", other, KEYS, stored=old.fingerprint, key_number=1)
    assert refused.value.code == "order_no_conflict" and "amount" not in refused.value.detail

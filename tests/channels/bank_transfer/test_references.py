"""References: made once, found in whatever people type, never believed with a wrong check."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.bank_transfer.references import (
    ALPHABET,
    CANDIDATES_MAX,
    CROCKFORD_CHARS,
    KINDS,
    RF_CHARS,
    find_references,
    find_virtual_accounts,
    is_prefix,
    is_reference,
    is_virtual_account,
    make_reference,
    make_virtual_account,
)

NUMBERS = st.text(alphabet="0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26)
ATTEMPT = "01kb8mz3q8f7wv9t2n4x6c0r5a"


def test_a_reference_is_always_the_same() -> None:
    """What was printed on an invoice must be found for ever: these may not change."""
    assert make_reference("crockford", ATTEMPT) == "7Z9ZBN81YZ8"
    assert make_reference("rf", ATTEMPT) == "RF097Z9ZBN81YZFF"
    assert make_virtual_account("6222", ATTEMPT) == "622293968526923412"


def test_published_examples_of_iso_11649_and_crockford() -> None:
    # ISO 11649's own example is RF18 5390 0754 7034 (R is 27, F is 15).
    assert int("539007547034" + "271518") % 97 == 1
    # Crockford: 1234 is 16J with the check symbol D (1234 mod 37 = 13).
    assert ALPHABET[1234 % 37] == "D"


@given(NUMBERS, st.sampled_from(KINDS))
def test_what_was_made_is_found_in_any_spelling(number: str, kind: str) -> None:
    made = make_reference(kind, number)
    assert is_reference(made)
    assert len(made) == (CROCKFORD_CHARS if kind == "crockford" else RF_CHARS)
    spaced = " ".join(made[at : at + 4] for at in range(0, len(made), 4))
    for text in (
        made,
        made.lower(),
        spaced,
        f"付款{made}谢谢",
        f"Rechnung: {made[:5]}-{made[5:]}, danke",
        made.replace("0", "O").replace("1", "l"),
        made.replace("0", "o").replace("1", "I"),
        "".join(chr(ord(char) + 0xFEE0) for char in made),  # full-width forms
    ):
        assert made in find_references(text), text


def alike(kind: str, one: str, other: str) -> bool:
    """What ISO 7064 promises: it writes letters as two digits, so it tells like from like only."""
    return kind == "crockford" or one.isdecimal() == other.isdecimal()


@given(NUMBERS, st.sampled_from(KINDS), st.data())
def test_one_wrong_character_is_never_accepted(number: str, kind: str, data) -> None:
    made = make_reference(kind, number)
    at = data.draw(st.integers(0 if kind == "crockford" else 4, len(made) - 1))
    others = [char for char in ALPHABET if char != made[at] and alike(kind, char, made[at])]
    other = data.draw(st.sampled_from(others))
    assert not is_reference(made[:at] + other + made[at + 1 :])


@given(NUMBERS, st.sampled_from(KINDS), st.data())
def test_two_neighbours_in_the_wrong_order_are_never_accepted(number, kind, data) -> None:
    made = make_reference(kind, number)
    at = data.draw(st.integers(0 if kind == "crockford" else 4, len(made) - 2))
    swapped = made[:at] + made[at + 1] + made[at] + made[at + 2 :]
    if alike(kind, made[at], made[at + 1]):
        assert swapped == made or not is_reference(swapped)


@pytest.mark.parametrize(
    "text",
    ["", "7Z9ZBN81YZ", "7Z9ZBN81YZ88", "7Z9ZBN81YZ*", "7Z9ZBN81YZU", "RF007Z9ZBN81YZFF", "７Z9"],
)
def test_what_is_no_reference(text: str) -> None:
    assert not is_reference(text)


def test_a_flood_of_letters_is_bounded() -> None:
    assert len(find_references("7Z9ZBN81YZ8" * 500)) <= CANDIDATES_MAX
    assert find_references("") == ()


@given(st.text(max_size=300))
def test_finding_is_total_and_finds_only_references(text: str) -> None:
    assert all(is_reference(each) for each in find_references(text))


@given(NUMBERS, st.from_regex(r"[1-9][0-9]{0,13}", fullmatch=True), st.data())
def test_virtual_accounts(number: str, prefix: str, data) -> None:
    made = make_virtual_account(prefix, number)
    assert is_virtual_account(prefix, made)
    grouped = " ".join(made[at : at + 4] for at in range(0, len(made), 4))
    assert find_virtual_accounts(prefix, grouped) == (made,)
    at = data.draw(st.integers(len(prefix), len(made) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != made[at]]))
    assert not is_virtual_account(prefix, made[:at] + other + made[at + 1 :])


@pytest.mark.parametrize("prefix", ["", "0123", "12a", "1" * 15, "１２"])
def test_what_is_no_prefix(prefix: str) -> None:
    assert not is_prefix(prefix)
    with pytest.raises(ValueError, match="prefix"):
        make_virtual_account(prefix, ATTEMPT)


def test_an_unknown_kind_is_a_defect() -> None:
    with pytest.raises(ValueError, match="kind"):
        make_reference("luck", ATTEMPT)

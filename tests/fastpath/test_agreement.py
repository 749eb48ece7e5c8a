"""The compiled twins against the pure ones, on anything: same result or same error."""

import base64
import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastpath import _amount_c, _amount_py, _signature_c, _signature_py
from fastpath.signature import Authorization

pytestmark = pytest.mark.fast

Outcome = Callable[..., tuple[Any, ...]]


class Int(int):
    """A subclass that both must refuse alike."""


class Text(str):
    """A subclass that both must refuse alike."""


class Bytes(bytes):
    """A subclass that both must refuse alike."""


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.binary(max_size=8).map(bytearray),
    st.binary(max_size=8).map(lambda whole: memoryview(whole)),
    st.integers().map(Int),
    st.text(max_size=8).map(Text),
    st.binary(max_size=8).map(Bytes),
    st.integers(0, 100).map(Decimal),
    st.lists(st.integers(), max_size=3),
    st.sampled_from([int, str, bytes, object(), ..., NotImplemented]),
)

SCHEMES = ("TILL1-HMAC-SHA256", "TILL1-ED25519", "TILL1-SHA256-RSA2048")
NAMES = ("mch", "key", "ts", "nonce", "sig")
BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"

id_tails = st.builds(
    str.__add__, st.sampled_from("01234567"), st.text(BASE32, min_size=25, max_size=25)
)
stamps = st.text("0123456789", min_size=10, max_size=10)
nonces = st.from_regex(r"[A-Za-z0-9_-]{16,64}", fullmatch=True)
signatures = st.binary(min_size=1, max_size=512)


@st.composite
def authorizations(draw: st.DrawFn) -> tuple[bytes, Authorization]:
    """A header inside the grammar, and what it says."""
    ts = draw(stamps)
    said = Authorization(
        algorithm=draw(st.sampled_from(SCHEMES)),
        mch="mch_" + draw(id_tails),
        key="key_" + draw(id_tails),
        ts=int(ts),
        ts_text=ts.encode(),
        nonce=draw(nonces).encode(),
        sig=draw(signatures),
    )
    values = {
        "mch": said.mch,
        "key": said.key,
        "ts": ts,
        "nonce": said.nonce.decode(),
        "sig": base64.b64encode(said.sig).decode(),
    }
    line = said.algorithm
    for index, name in enumerate(draw(st.permutations(NAMES))):
        joint = draw(st.sampled_from((",", ", "))) if index else " "
        line += f'{joint}{name}="{values[name]}"'
    return line.encode(), said


crumbs = st.one_of(
    st.binary(max_size=3),
    st.sampled_from([b'"', b"=", b'="', b",", b", ", b" ", b"\\", b"\n", b"\0", b"==", b'ts="1"']),
)


@st.composite
def near_headers(draw: st.DrawFn) -> bytes:
    """A header inside the grammar, cut and patched in up to three places."""
    line, _ = draw(authorizations())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(line)))
        cut = draw(st.integers(0, 3))
        line = line[:at] + draw(crumbs) + line[at + cut :]
    return line


@st.composite
def pair_soup(draw: st.DrawFn) -> bytes:
    """The right words in any number and order, with the wrong ones among them."""
    pairs = draw(
        st.lists(
            st.tuples(
                st.sampled_from((*NAMES, "MCH", "t", "")),
                st.sampled_from(("=", '="', " =", "")),
                st.one_of(id_tails.map("mch_".__add__), stamps, nonces, st.text(max_size=5)),
                st.sampled_from(('"', '"', '"', "")),
                st.sampled_from((",", ", ", ",  ", "", ";")),
            ),
            max_size=8,
        )
    )
    line = draw(st.sampled_from((*SCHEMES, "TILL1", ""))) + draw(st.sampled_from((" ", "  ", "")))
    return (line + "".join("".join(pair) for pair in pairs)).encode("utf-8", "surrogatepass")


@given(drawn=authorizations())
@settings(max_examples=300)
def test_headers_inside_the_grammar_are_taken(
    outcome: Outcome, drawn: tuple[bytes, Authorization]
) -> None:
    line, said = drawn
    for twin in (_signature_py, _signature_c):
        result = outcome(twin.parse_authorization, line)
        assert result == (Authorization, said, [str, str, str, int, bytes, bytes, bytes])


@given(line=st.one_of(near_headers(), near_headers(), pair_soup(), st.binary(), anything))
@example(line=b"x" * 2049)
@settings(max_examples=1500)
def test_headers(outcome: Outcome, line: Any) -> None:
    assert outcome(_signature_c.parse_authorization, line) == outcome(
        _signature_py.parse_authorization, line
    )


def test_all_endings_of_base64(outcome: Outcome) -> None:
    """Every pair of last characters before the padding: only 4 and 16 of 64 are canonical."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
    frame = (
        'TILL1-ED25519 mch="mch_01h455vb4pex5vsknk084sn02q",key="key_01h455vb4pex5vsknk084sn02q",'
        'ts="1700000000",nonce="0123456789abcdef",sig="{}"'
    )
    taken = 0
    for first, second in itertools.product(alphabet, repeat=2):
        for text in (f"{first}{second}==", f"A{first}{second}=", f"AA{first}{second}"):
            line = frame.format(text).encode()
            result = outcome(_signature_c.parse_authorization, line)
            assert result == outcome(_signature_py.parse_authorization, line)
            taken += result[0] is Authorization
    # One byte has 256 texts; A?? = has 64 * 16 and A? == of the second form 4; AA?? has 4096,
    # and those that end in "=" add AA?= (16) and AA== (1).
    assert taken == 256 + (64 * 16 + 4) + (4096 + 16 + 1)


lines = st.binary(max_size=30)


@given(parts=st.tuples(*[lines | anything] * 5) | st.tuples(*[lines] * 5))
@settings(max_examples=400)
def test_messages(outcome: Outcome, parts: tuple[Any, ...]) -> None:
    assert outcome(_signature_c.build_message, *parts) == outcome(
        _signature_py.build_message, *parts
    )


numbers = st.integers() | st.integers(-(2**64), 2**64) | st.integers(-400, 400)


@given(parts=st.lists(numbers | anything, min_size=2, max_size=3) | st.tuples(numbers, numbers))
@settings(max_examples=400)
def test_windows(outcome: Outcome, parts: Any) -> None:
    assert outcome(_signature_c.in_window, *parts) == outcome(_signature_py.in_window, *parts)


@given(value=st.integers() | st.integers(-5, 10**12 + 5) | st.integers(-(2**65), 2**65) | anything)
@settings(max_examples=400)
def test_minors(outcome: Outcome, value: Any) -> None:
    assert outcome(_amount_c.check_minor, value) == outcome(_amount_py.check_minor, value)


exponents = st.integers(0, 4) | st.integers() | anything
decimals = st.one_of(
    st.from_regex(r"(0|[1-9][0-9]{0,12})(\.[0-9]{1,5})?", fullmatch=True),
    st.from_regex(r"(0|[1-9][0-9]{0,33})(\.[0-9]{1,33})?", fullmatch=True),
    st.text("0123456789.", max_size=34),
    st.text("09.-+ e_,\n\x00٣９", max_size=8),
    st.text(max_size=34),
)


@given(text=decimals | decimals.map(lambda text: text.encode("utf-8", "surrogatepass"))
       | st.binary(max_size=34) | anything,
       exponent=st.integers(0, 4) | exponents)  # fmt: skip
@settings(max_examples=1500)
def test_decimals(outcome: Outcome, text: Any, exponent: Any) -> None:
    assert outcome(_amount_c.parse_decimal, text, exponent) == outcome(
        _amount_py.parse_decimal, text, exponent
    )


def test_all_short_decimals(outcome: Outcome) -> None:
    taken = 0
    for length in range(6):
        for characters in itertools.product("019.-", repeat=length):
            text = "".join(characters)
            for exponent in range(5):
                result = outcome(_amount_c.parse_decimal, text, exponent)
                assert result == outcome(_amount_py.parse_decimal, text, exponent)
                assert result == outcome(_amount_c.parse_decimal, text.encode(), exponent)
                taken += result[0] is int
    # Whole numbers of n digits: 1 + 2 for one, 2 * 3**(n-1) beyond; a point and d <= exponent
    # digits after each, in five characters.
    whole = [0, 3, 6, 18, 54, 162]
    fractions = sum(
        whole[n] * 3**d * (5 - d) for d in range(1, 5) for n in range(1, 6) if n + 1 + d <= 5
    )
    assert taken == 5 * sum(whole) + fractions


@given(
    minor=st.integers(0, 10**12) | st.integers(-5, 10**5) | st.integers() | anything,
    exponent=exponents,
)
@settings(max_examples=600)
def test_formats(outcome: Outcome, minor: Any, exponent: Any) -> None:
    assert outcome(_amount_c.format_decimal, minor, exponent) == outcome(
        _amount_py.format_decimal, minor, exponent
    )


@pytest.mark.parametrize(
    ("compiled", "pure"), [(_signature_c, _signature_py), (_amount_c, _amount_py)]
)
def test_parameters_have_the_same_names_and_defaults(compiled: Any, pure: Any) -> None:
    import inspect

    for name, function in vars(pure).items():
        if inspect.isfunction(function) and function.__module__ == pure.__name__ and name[0] != "_":
            parameters = inspect.signature(function).parameters.values()
            twin = inspect.signature(getattr(compiled, name)).parameters.values()
            assert [(p.name, p.kind, p.default) for p in twin] == [
                (p.name, p.kind, p.default) for p in parameters
            ]

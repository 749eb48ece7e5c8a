"""The compiled twin of `fastpath.row` against the pure one: the same result or the same error."""

import json
from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from asyncpg.pgproto.pgproto import UUID as PostgresUUID
from hypothesis import example, given
from hypothesis import strategies as st

from fastpath import _row_c, _row_py
from fastpath._row_terms import (
    BYTES,
    FLAG,
    ID,
    JSON,
    KINDS,
    MOMENT,
    NUMBER,
    TEXT,
    TEXTS,
)

pytestmark = pytest.mark.fast

Outcome = Callable[..., tuple[Any, ...]]

letters = st.sampled_from(list("aZ09_,{}\"\\u0 \n\x00\x1c\x1d\x1e\x1f\x7fé茶😀\ud800\udfff'"))
texts = st.one_of(st.text(letters, max_size=30), st.text(max_size=20))
numbers = st.one_of(st.integers(-2000, 2000), st.integers(-(2**64), 2**64), st.integers())
zones = st.one_of(
    st.just(UTC),
    st.none(),
    st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds))),
)
moments = st.datetimes(timezones=st.none()).flatmap(
    lambda moment: zones.map(lambda zone: moment.replace(tzinfo=zone))
)
crockford = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26)
identifiers = st.one_of(
    st.tuples(st.sampled_from(["pay_", "a_b_", "_", "", "é_", "x-"]), crockford).map("".join),
    st.text("0127_abcgilouzZé", max_size=29),
    st.text("0127_abcgz", min_size=27, max_size=30),
)
trees = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
anything = st.one_of(
    st.none(),
    texts,
    numbers,
    st.booleans(),
    st.floats(allow_nan=False),
    moments,
    st.binary(max_size=40),
    identifiers,
    trees,
    st.lists(texts, max_size=3),
    st.lists(texts, max_size=3).map(tuple),
    st.dates(),
    st.uuids(),
    st.binary(max_size=4).map(bytearray),
    st.sampled_from([object(), ..., int, msgspec.Raw(b"\x1f\x00")]),
)
VALUES: dict[bytes, st.SearchStrategy[Any]] = {
    TEXT: texts,
    NUMBER: numbers,
    FLAG: st.booleans(),
    ID: identifiers,
    MOMENT: moments,
    BYTES: st.binary(max_size=40),
    JSON: trees,
    TEXTS: st.one_of(st.lists(texts, max_size=4), st.lists(texts, max_size=4).map(tuple)),
}
ANY_UUID = st.binary(min_size=16, max_size=16).flatmap(
    lambda data: st.sampled_from([UUID(bytes=data), PostgresUUID(data)])
)
COLUMNS = VALUES | {
    ID: ANY_UUID,
    JSON: st.one_of(trees.map(json.dumps), texts),
    TEXTS: st.lists(texts, max_size=4),
}


def of_kind(strategies: dict[bytes, st.SearchStrategy[Any]], kind: int) -> Any:
    likely = strategies[bytes([kind])]
    return st.one_of(likely, likely, likely, st.none(), anything)


@st.composite
def written(draw: st.DrawFn) -> tuple[Any, bytes]:
    """Rows and their kinds, most of them fitting."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6).map(bytes))
    row = st.tuples(*(of_kind(VALUES, kind) for kind in kinds))
    rows = draw(st.lists(st.one_of(row, row, row.map(list)), max_size=4))
    return draw(st.sampled_from([rows, tuple(rows)])), kinds


@given(written())
def test_writing(outcome: Outcome, arguments: tuple[Any, bytes]) -> None:
    assert outcome(_row_c.row_lines, *arguments) == outcome(_row_py.row_lines, *arguments)


@pytest.mark.parametrize("kind", VALUES)
def test_writing_each_kind(outcome: Outcome, kind: bytes) -> None:
    @given(VALUES[kind])
    def both_agree(value: Any) -> None:
        arguments = ([(1, value)], NUMBER + kind)
        assert outcome(_row_c.row_lines, *arguments) == outcome(_row_py.row_lines, *arguments)

    both_agree()


@given(st.one_of(st.lists(anything, max_size=3), anything), st.one_of(st.binary(), anything))
@example([[]], b"")
@example([("a",)], TEXT)
@example(["a"], NUMBER)
def test_writing_what_does_not_fit(outcome: Outcome, rows: Any, kinds: Any) -> None:
    assert outcome(_row_c.row_lines, rows, kinds) == outcome(_row_py.row_lines, rows, kinds)


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """What is read, with more and fewer fields than a record may have."""

    a: object
    b: object = 1
    c: object = None
    d: object = ()


@st.composite
def records(draw: st.DrawFn) -> list[Any]:
    """The arguments of a reading, most of them fitting."""
    names = draw(st.permutations(["a", "b", "c", "d", "é"][: draw(st.integers(4, 5))]))
    fields = tuple(names[: draw(st.integers(1, 5))])
    kinds = bytes(draw(st.sampled_from(KINDS)) for _ in fields)
    before = draw(st.integers(0, 2))
    columns = draw(st.tuples(*(of_kind(COLUMNS, kind) for kind in kinds)))
    record = (None,) * before + columns + (None,) * draw(st.integers(0, 1))
    prefix = st.sampled_from(["pay", "pay", "mch", "", "é", None])
    prefixes = tuple(draw(prefix) for _ in fields)
    arguments = [record, before, fields, kinds, prefixes, Value]
    if draw(st.integers(0, 5)) == 0:
        arguments[draw(st.integers(0, 4))] = draw(anything)
    return arguments


@given(records())
@example([{"": None}, 0, ("a",), TEXT, ("pay",), Value])
@example([{7}, 0, ("a",), TEXT, ("pay",), Value])
@example([range(7), 2, ("a", "b"), TEXT + NUMBER, (None, None), Value])
def test_reading(outcome: Outcome, arguments: list[Any]) -> None:
    assert outcome(_row_c.read_row, *arguments) == outcome(_row_py.read_row, *arguments)

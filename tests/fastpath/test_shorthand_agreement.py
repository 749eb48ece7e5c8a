"""The compiled twin of `fastpath.shorthand` against the pure one: the same result or error."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastpath import _shorthand_c, _shorthand_py
from fastpath._shorthand_terms import PHRASES
from tests.fastpath.test_shorthand import texts

pytestmark = pytest.mark.fast

signs = st.sampled_from([*PHRASES, "\x00", "\x18", "\x1f", "\n"])
stored = st.lists(st.one_of(texts, signs), max_size=6).map("".join)


@given(st.one_of(stored, st.none(), st.binary(max_size=3)))
def test_both_twins_do_the_same(outcome: Callable[..., tuple[Any, ...]], value: Any) -> None:
    for name in ("shorten", "lengthen"):
        compiled = outcome(getattr(_shorthand_c, name), value)
        assert compiled == outcome(getattr(_shorthand_py, name), value)

"""Parameters of the pretend Stripe: read by name and type, and none passed over."""

from urllib.parse import quote, urlencode

import pytest

from gateway.sandbox.card.parameters import Parameters, currency_of
from gateway.sandbox.card.refusals import Refusal

pytestmark = pytest.mark.fast


def read(*pairs: tuple[str, str]) -> Parameters:
    return Parameters(urlencode(pairs))


def test_every_form_is_read() -> None:
    given = read(
        ("amount", "12"),
        ("confirm", "true"),
        ("metadata[a]", "ä&="),
        ("metadata[b]", ""),
        ("expand[]", "x"),
        ("kinds[0]", "one"),
        ("kinds[1]", "two"),
        ("currency", "EUR"),
        ("created[gt]", "5"),
        ("created[lte]", "9"),
        ("empty", ""),
    )
    assert given.amount("amount") == 12
    assert given.boolean("confirm") is True
    assert given.metadata() == {"a": "ä&=", "b": ""}
    assert given.expand(("x", "y")) == {"x"}
    assert given.texts("kinds") == ["one", "two"]
    assert currency_of(given) == "eur"
    assert given.created() == (6, 9)
    assert given.text("empty") is None
    given.done()
    assert given.metadata() is given.texts("kinds") is given.created() is given.amount("no") is None


@pytest.mark.parametrize(
    "encoded",
    [
        "a=1&a=2",
        "a[b]=1&a[b]=2",
        "a=1&a[b]=2",
        "a[]=1&a=2",
        "a",
        "a=%ff",
        "ä=1",
        "a[b][c]=1",
        "A=1",
        "=1",
        "&".join(f"a{n}=1" for n in range(200)),
    ],
)
def test_an_ill_formed_form_is_refused(encoded: str) -> None:
    with pytest.raises(Refusal) as refused:
        Parameters(encoded)
    assert refused.value.status == 400 and not refused.value.executed


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("0", "amount_too_small"),
        ("1000000000000", "amount_too_large"),
        ("-1", "parameter_invalid_integer"),
        ("1.0", "parameter_invalid_integer"),
        ("01", "parameter_invalid_integer"),
        ("１", "parameter_invalid_integer"),
        ("1e3", "parameter_invalid_integer"),
        (" 1", "parameter_invalid_integer"),
        ("true", "parameter_invalid_integer"),
    ],
)
def test_an_amount_is_a_decimal_integer(value: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        Parameters(f"amount={quote(value)}").amount("amount")
    assert refused.value.error["code"] == code


@pytest.mark.parametrize(
    ("pairs", "reader"),
    [
        ([("a", "yes")], lambda p: p.boolean("a")),
        ([("a", "x\ny")], lambda p: p.text("a")),
        ([("a[b]", "x")], lambda p: p.text("a")),
        ([("a", "x" * 11)], lambda p: p.text("a", chars_max=10)),
        ([("a", "c")], lambda p: p.word("a", ("b",))),
        ([("a", "")], lambda p: p.required_text("a")),
        ([("a", "101")], lambda p: p.integer("a", at_most=100)),
        ([("metadata", "x")], lambda p: p.metadata()),
        ([("metadata[]", "x")], lambda p: p.metadata()),
        ([("metadata[a]", "x" * 501)], lambda p: p.metadata()),
        ([(f"metadata[k{n}]", "x") for n in range(51)], lambda p: p.metadata()),
        ([("a", "x")], lambda p: p.texts("a")),
        ([("a[b]", "x")], lambda p: p.texts("a")),
        ([("expand[]", "customer")], lambda p: p.expand(("x",))),
        ([("created[since]", "1")], lambda p: p.created()),
        ([("created[gt]", "x")], lambda p: p.created()),
        ([("currency", "euro")], currency_of),
        ([("a", "1")], lambda p: p.done()),
    ],
)
def test_what_is_not_as_it_must_be_is_refused(pairs, reader) -> None:
    with pytest.raises(Refusal) as refused:
        reader(read(*pairs))
    assert refused.value.error["type"] == "invalid_request_error"

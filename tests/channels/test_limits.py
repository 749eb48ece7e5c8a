"""Limits of amounts: the bounds belong to what is taken, and every refusal names its own."""

import pytest

from gateway.channels.limits import check_amount
from gateway.domain.errors import TillgateError

pytestmark = pytest.mark.fast


def check(amount: int, currency: str) -> None:
    check_amount(amount, currency, channel="Corner", only="CNY", least=10, greatest=500)


@pytest.mark.parametrize("amount", [10, 11, 500])
def test_the_bounds_are_taken(amount: int) -> None:
    check(amount, "CNY")


@pytest.mark.parametrize(
    ("amount", "currency", "code", "param", "detail"),
    [
        (9, "CNY", "amount_below_minimum", "/amount", "The least amount is 10."),
        (-1, "CNY", "amount_below_minimum", "/amount", "The least amount is 10."),
        (501, "CNY", "limit_exceeded", "/amount", "The greatest amount is 500."),
        (10, "USD", "unsupported_currency", "/currency", "Corner takes CNY only."),
        (501, "cny", "unsupported_currency", "/currency", "Corner takes CNY only."),
    ],
)
def test_what_is_beyond_them_is_refused(
    amount: int, currency: str, code: str, param: str, detail: str
) -> None:
    with pytest.raises(TillgateError) as refused:
        check(amount, currency)
    assert (refused.value.code, refused.value.param, refused.value.detail) == (code, param, detail)

"""Card data is refused before a byte leaves, and never quoted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.card import CardCodec
from gateway.domain.errors import TillgateError

pytestmark = pytest.mark.fast

CODEC = CardCodec()
NUMBERS = [
    "4242424242424242",
    "4242 4242 4242 4242",
    "4242-4242-4242-4242",
    "4242.4242.4242.4242",
    " 4242424242424242 ",
    "378282246310005",
    "6200000000000005",
    "4242424242424241",  # fails Luhn, and is a number all the same
    "pm_4242424242424242",
    "card 5555555555554444 please",
]
CARD = [({"payment_method": number}, "/method_options/payment_method") for number in NUMBERS]
CARD += [
    ({"note": "4242424242424242"}, "/method_options/note"),
    ({"number": "x"}, "/method_options/number"),
    ({"card_number": "x"}, "/method_options/card_number"),
    ({"card[number]": "x"}, "/method_options/card[number]"),
    ({"card.cvc": "123"}, "/method_options/card.cvc"),
    ({"CVV": "123"}, "/method_options/CVV"),
    ({"exp_month": "12"}, "/method_options/exp_month"),
    ({"4242424242424242": "x"}, "/method_options"),
]


@pytest.mark.parametrize(("options", "param"), CARD)
@pytest.mark.parametrize("step", ["check_order", "build_pay"])
def test_card_data_is_refused(stripe, options, param, step) -> None:
    order = stripe.order(method_options={"payment_method": "pm_card_visa"} | options)
    with pytest.raises(TillgateError) as refused:
        if step == "check_order":
            CODEC.check_order(order)
        else:
            CODEC.build_pay(stripe.account(), order, order.created_at)
    assert (refused.value.code, refused.value.param) == ("card_number_refused", param)
    assert not any(value in refused.value.detail for value in options.values() if len(value) > 3)


@pytest.mark.parametrize("field", ["subject", "return_url"])
def test_a_number_in_the_order_itself_is_refused(stripe, field) -> None:
    order = stripe.order(**{field: "https://shop.example/?c=4242424242424242"})
    with pytest.raises(TillgateError) as refused:
        CODEC.check_order(order)
    assert (refused.value.code, refused.value.param) == ("card_number_refused", f"/{field}")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "missing_field"),
        ({"payment_method": "pm_"}, "invalid_field"),
        ({"payment_method": "tok_visa"}, "invalid_field"),
        ({"payment_method": "pm_card_visa\n"}, "invalid_field"),
        ({"payment_method": "pm_card_visa&confirm=false"}, "invalid_field"),
        ({"payment_method": "pm_card_visa", "customer": "cus_1"}, "unknown_field"),
    ],
)
def test_only_a_token_is_taken(stripe, options, code) -> None:
    with pytest.raises(TillgateError) as refused:
        CODEC.check_order(stripe.order(method_options=options))
    assert refused.value.code == code


@given(st.text(alphabet="0123456789 -", min_size=12, max_size=24))
def test_no_run_of_digits_is_ever_sent(stripe, text) -> None:
    order = stripe.order(method_options={"payment_method": text})
    with pytest.raises(TillgateError):
        CODEC.build_pay(stripe.account(), order, order.created_at)


@given(st.from_regex(r"\Apm_[A-Za-z]{1,40}\Z"))
def test_a_token_is_sent(stripe, token) -> None:
    order = stripe.order(method_options={"payment_method": token})
    CODEC.check_order(order)
    body = CODEC.build_pay(stripe.account(), order, order.created_at).body.decode()
    assert f"payment_method={token}&" in body

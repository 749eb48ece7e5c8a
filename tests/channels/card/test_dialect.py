"""Stripe's spelling: currencies that are ISO 4217's, forms, headers, moments."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.channels.card import dialect
from gateway.domain.money import EXPONENTS

pytestmark = pytest.mark.fast


def test_an_amount_never_changes_on_its_way() -> None:
    places = {0: dialect.NO_PLACES, 2: dialect.TWO_PLACES, 3: dialect.THREE_PLACES}
    for exponent, currencies in places.items():
        assert {EXPONENTS[code] for code in currencies} == {exponent}
    assert not {"ISK", "UGX", "MGA"} & dialect.CURRENCIES
    assert len(dialect.CURRENCIES) == sum(map(len, places.values()))
    assert {"CNY", "USD", "EUR", "JPY", "HKD"} <= dialect.CURRENCIES


def test_a_form_is_percent_encoded_once(stripe) -> None:
    request = dialect.post(stripe.account(), "/x", [("metadata[a]", "ä &=+%"), ("b", "c")])
    assert request.body == b"metadata%5Ba%5D=%C3%A4%20%26%3D%2B%25&b=c"
    assert request.url == "https://api.stripe.com/v1/x"
    headers = dict(request.headers)
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Authorization"] == "Bearer sk_test_4eC39HqLyjWDarjtT1zdp7dc"
    assert headers["Stripe-Version"] == dialect.API_VERSION
    assert "Idempotency-Key" not in headers


def test_a_query_stands_in_the_address(stripe) -> None:
    account = stripe.account(api_version="2024-06-20")
    request = dialect.get(account, "/x", [("created[gte]", "1")])
    assert request.url == "https://api.stripe.com/v1/x?created%5Bgte%5D=1"
    assert (request.method, request.body) == ("GET", b"")
    assert dict(request.headers)["Stripe-Version"] == "2024-06-20"


def test_moments() -> None:
    moment = datetime(2026, 11, 22, 14, 30, 0, 999_999, tzinfo=UTC)
    assert dialect.unix_s(moment) == 1795357800
    assert dialect.unix_s(moment.astimezone(timezone(timedelta(hours=8)))) == 1795357800
    assert dialect.moment_of(1795357800) == moment.replace(microsecond=0)
    for nothing in (None, 0, -1, 10**15):
        assert dialect.moment_of(nothing) is None
    with pytest.raises(TypeError):
        dialect.unix_s(datetime(2026, 11, 22))

"""What may be registered: keys of the right kind, well-formed secrets, an address."""

import pytest
from msgspec.structs import replace

from gateway.channels.card import CardCodec
from gateway.channels.card.account import is_live
from gateway.domain.errors import TillgateError

pytestmark = pytest.mark.fast

CODEC = CardCodec()
GOOD = [
    {},
    {"secret_key": "rk_live_abcdefgh"},
    {"webhook_secret_previous": "whsec_12345678"},
    {"api_version": "2025-01-27.acacia", "parameters": "plain"},
    {"api_version": "2024-06-20", "parameters": "full"},
]
BAD = [
    ({"secret_key": ""}, "missing_field", "/credentials/secret_key"),
    ({"webhook_secret": ""}, "missing_field", "/credentials/webhook_secret"),
    ({"secret_key": "pk_test_abcdefgh"}, "invalid_field", "/credentials/secret_key"),
    ({"secret_key": "sk_test_abc\r\nX: y"}, "invalid_field", "/credentials/secret_key"),
    ({"webhook_secret": "short"}, "invalid_field", "/credentials/webhook_secret"),
    ({"webhook_secret": "whsec_ 12345"}, "invalid_field", "/credentials/webhook_secret"),
    ({"webhook_secret_previous": "x"}, "invalid_field", "/credentials/webhook_secret_previous"),
    ({"api_version": "latest"}, "invalid_field", "/credentials/api_version"),
    ({"api_version": "2026-10-28\r\n"}, "invalid_field", "/credentials/api_version"),
    ({"parameters": "some"}, "invalid_field", "/credentials/parameters"),
]


@pytest.mark.parametrize("credentials", GOOD)
def test_a_registration_that_can_work_is_taken(stripe, credentials) -> None:
    CODEC.check_account(stripe.account(**credentials))


@pytest.mark.parametrize(("credentials", "code", "param"), BAD)
def test_one_that_could_never_work_is_refused_without_quoting_it(
    stripe, credentials, code, param
) -> None:
    with pytest.raises(TillgateError) as refused:
        CODEC.check_account(stripe.account(**credentials))
    assert (refused.value.code, refused.value.param) == (code, param)
    if "secret" in param:
        assert not any(value and value in refused.value.detail for value in credentials.values())


@pytest.mark.parametrize("url", ["ftp://api.stripe.com", "https://h/?a=b", "https://h/#f", ""])
def test_the_gateway_must_be_an_address(stripe, url) -> None:
    with pytest.raises(TillgateError) as refused:
        CODEC.check_account(replace(stripe.account(), gateway_url=url))
    assert refused.value.code == "url_not_allowed"


@pytest.mark.parametrize(
    ("key", "live"),
    [("sk_live_x23456", True), ("rk_test_x23456", False), ("sk_x_live_123", None)],
)
def test_the_key_says_whether_its_money_is_real(stripe, key, live) -> None:
    assert is_live(stripe.account(secret_key=key)) is live


def test_names_are_disjoint_and_secrets_are_among_them() -> None:
    assert not CODEC.credential_names & CODEC.option_names
    assert CODEC.secret_names <= CODEC.credential_names | CODEC.option_names

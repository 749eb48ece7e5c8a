"""The two modes of an account: what each needs, and which key a message is held against."""

import pytest

from gateway.channels.alipay import AlipayCodec, credentials
from gateway.channels.alipay.certificate import cert_sn, root_cert_sn
from gateway.channels.codec import AccountView
from gateway.domain.errors import TillgateError

pytestmark = pytest.mark.fast

CODEC = AlipayCodec()


def with_credentials(account: AccountView, **changes: str) -> AccountView:
    return AccountView(
        account.account_id,
        account.channel,
        account.gateway_url,
        account.notify_url,
        {**account.credentials, **changes},
        account.keys,
    )


def refusal(account: AccountView) -> TillgateError:
    with pytest.raises(TillgateError) as caught:
        CODEC.check_account(account)
    return caught.value


def test_both_modes_are_whole(alipay, authorities) -> None:
    CODEC.check_account(alipay.account())
    CODEC.check_account(authorities.account())
    both = authorities.account(alipay_public_key=alipay.alipay_public_key)
    CODEC.check_account(both)
    assert credentials.in_certificate_mode(both)


@pytest.mark.parametrize("name", credentials.CERTIFICATES)
def test_certificate_mode_says_what_it_lacks(authorities, name: str) -> None:
    error = refusal(authorities.account(**{name: ""}))
    assert (error.code, error.param) == ("missing_field", f"/credentials/{name}")
    assert "certificate mode" in error.detail
    error = refusal(authorities.account(**{name: "c2VjcmV0"}))
    assert (error.code, error.param) == ("invalid_field", f"/credentials/{name}")
    assert "c2VjcmV0" not in error.detail


def test_without_either_mode_both_are_offered(alipay) -> None:
    error = refusal(with_credentials(alipay.account(), alipay_public_key=""))
    assert (error.code, error.param) == ("missing_field", "/credentials/alipay_public_key")
    assert "app_cert" in error.detail


def test_the_certificate_must_be_that_of_the_private_key(authorities) -> None:
    error = refusal(authorities.account(app_cert=authorities.alipay.pem))
    assert (error.code, error.param) == ("invalid_field", "/credentials/app_cert")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transfer_in_public_key_mode", "yes"),
        ("unescaped_slashes", "true"),
        ("v2_notify_types", "x,trade_status_sync"),
        ("v2_notify_types", "fund_auth_freeze"),
    ],
)
def test_switches_are_read_strictly(alipay, name: str, value: str) -> None:
    error = refusal(with_credentials(alipay.account(), **{name: value}))
    assert (error.code, error.param) == ("invalid_field", f"/credentials/{name}")
    CODEC.check_account(with_credentials(alipay.account(), **{name: ""}))


def test_names_are_sorted_out() -> None:
    assert not CODEC.credential_names & CODEC.option_names
    assert CODEC.secret_names <= CODEC.credential_names


def test_certificate_numbers_go_into_requests(authorities, alipay) -> None:
    assert credentials.request_numbers(alipay.account()) == {}
    assert credentials.request_numbers(authorities.account()) == {
        "app_cert_sn": cert_sn(authorities.app.pem),
        "alipay_root_cert_sn": root_cert_sn(authorities.root.pem).sn,
    }


def test_a_key_is_chosen_by_the_number_that_a_message_names(authorities, alipay) -> None:
    own = alipay.account()
    for serial in (None, "0" * 32):
        assert credentials.verification_keys(own, serial) == (alipay.alipay_public_key,)
    learnt = authorities.middle.issue(authorities.new_key, "Alipay", serial=7).pem
    account = authorities.account(keys={"f" * 32: learnt})
    present = account.credentials["alipay_cert"]
    known = credentials.verification_keys
    assert known(account, None) == (present, learnt)
    assert known(account, cert_sn(authorities.alipay.pem)) == (present,)
    assert known(account, "f" * 32) == (learnt,)
    assert known(account, "0" * 32) == ()

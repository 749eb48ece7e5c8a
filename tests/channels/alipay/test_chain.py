"""Which certificates are believed to be Alipay's: whole chains, in date, of one organisation."""

from datetime import timedelta

import pytest

from gateway.channels.alipay.chain import is_alipays
from tests.channels.alipay.conftest import NOW, Authorities, Party

pytestmark = pytest.mark.fast


def believed(authorities: Authorities, found: str, *, roots: str | None = None, days: int = 0):
    own = authorities.alipay.pem + authorities.middle.pem
    return is_alipays(
        found,
        own=own,
        roots=authorities.root.pem if roots is None else roots,
        now=NOW + timedelta(days=days),
    )


def renewed(authorities: Authorities, **changes) -> Party:
    return authorities.middle.issue(authorities.new_key, "Alipay", serial=9, **changes)


def test_a_renewed_certificate_is_believed_with_or_without_its_issuer(authorities) -> None:
    pem = renewed(authorities).pem
    assert believed(authorities, pem)
    assert believed(authorities, pem + authorities.middle.pem)
    assert believed(authorities, authorities.root.issue(authorities.new_key, "Alipay").pem)


def test_a_merchants_certificate_of_the_same_authority_is_not_alipays(authorities) -> None:
    """The trap: every application of every merchant has a certificate with this very chain."""
    assert not believed(authorities, authorities.app.pem)


def test_what_has_no_way_to_the_roots_is_not_believed(authorities) -> None:
    stranger = Party(authorities.new_key, authorities.root.certificate)
    forged = stranger.issue(authorities.new_key, "Alipay")
    assert not believed(authorities, forged.pem)
    assert not believed(authorities, forged.pem + authorities.middle.pem)
    own_root = authorities.middle.issue(authorities.new_key, "Alipay").pem
    assert not believed(authorities, own_root, roots=authorities.app.pem)
    assert not believed(authorities, own_root, roots="")


def test_who_is_no_authority_issues_nothing(authorities) -> None:
    forged = authorities.app.issue(authorities.new_key, "Alipay")
    assert not believed(authorities, forged.pem + authorities.app.pem)


@pytest.mark.parametrize("days", [-2, 366, 1000])
def test_out_of_date_is_not_believed(authorities, days: int) -> None:
    assert not believed(authorities, renewed(authorities).pem, days=days)


def test_an_issuer_out_of_date_is_not_believed(authorities) -> None:
    old = authorities.root.issue(
        authorities.new_key, "Ant", serial=3, is_authority=True, ends=NOW - timedelta(seconds=1)
    )
    assert not believed(authorities, old.issue(authorities.new_key, "Alipay").pem + old.pem)


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nMIIB\n"])
def test_what_cannot_be_read_is_not_believed(authorities, text: str) -> None:
    assert not believed(authorities, text)
    assert not believed(authorities, text + "x" * 70_000 + renewed(authorities).pem)

"""Whom to believe: the chain, its dates, the name, and nothing self-made."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from gateway.channels.unionpay.certificate import (
    SIGNER_NAME,
    CertificateRefused,
    check_authorities,
    check_certificate,
)
from tests.channels.unionpay.conftest import NAME, NOW, certify, new_key, pem_of

pytestmark = pytest.mark.fast

VECTOR_DAY = datetime(2022, 9, 11, tzinfo=UTC)


def believed(side: Any, certificate: x509.Certificate | str, **changes: Any) -> bool:
    text = certificate if isinstance(certificate, str) else pem_of(certificate)
    given: dict[str, Any] = {
        "root": pem_of(side.root),
        "middles": pem_of(side.middle),
        "signer": SIGNER_NAME,
        "at": NOW,
    }
    try:
        check_certificate(text, **(given | changes))
    except CertificateRefused as refused:
        assert "BEGIN" not in str(refused)
        return False
    return True


def test_the_certificate_of_the_vector_leads_to_the_test_root(vectors: dict[str, Any]) -> None:
    text = vectors["unionpay_query_response"]["params"]["signPubKeyCert"]
    found = vectors["unionpay_test_authorities"]
    chain = {"root": found["root"], "middles": found["middle"], "signer": SIGNER_NAME}
    check_authorities(root=found["root"], middles=found["middle"])
    check_certificate(text, **chain, at=VECTOR_DAY)
    for at in (datetime(2025, 7, 31, 1, 19, 17, tzinfo=UTC), datetime(2020, 7, 30, tzinfo=UTC)):
        with pytest.raises(CertificateRefused, match="not valid at this time"):
            check_certificate(text, **chain, at=at)
    with pytest.raises(CertificateRefused, match="not the signer's"):
        check_certificate(text, **(chain | {"signer": "另一家公司"}), at=VECTOR_DAY)


def test_the_certificate_of_the_vector_is_not_believed_by_another_root(
    unionpay: Any, vectors: dict[str, Any]
) -> None:
    text = vectors["unionpay_query_response"]["params"]["signPubKeyCert"]
    assert not believed(unionpay, text, at=VECTOR_DAY)
    found = vectors["unionpay_test_authorities"]
    assert not believed(unionpay, text, at=VECTOR_DAY, root=found["root"])
    assert not believed(unionpay, text, at=VECTOR_DAY, middles=found["middle"])


def test_the_signers_certificate_is_believed_in_its_time(unionpay: Any) -> None:
    assert believed(unionpay, unionpay.signer)
    assert believed(unionpay, unionpay.signer_pem + "\r\n")
    assert not believed(unionpay, unionpay.signer, at=NOW + timedelta(days=31))
    assert not believed(unionpay, unionpay.signer, at=NOW - timedelta(days=31))
    assert believed(unionpay, unionpay.signer)


def test_a_self_made_certificate_with_the_right_name_is_refused(unionpay: Any) -> None:
    key = new_key()
    assert not believed(unionpay, certify(NAME, key, None))
    fake_middle = certify("middle", key, None, ca=True)
    fake = certify(NAME, new_key(), (fake_middle, key))
    assert not believed(unionpay, fake)
    assert not believed(unionpay, pem_of(fake) + pem_of(fake_middle))


def test_only_the_signers_name_in_its_place_is_believed(unionpay: Any) -> None:
    issuer = (unionpay.middle, unionpay.middle_key)
    names = [
        "中国银联股份有限公司",
        "041@中国银联股份有限公司@1",
        "041@1@中国银联股份有限公司 @1",
        "041@1@中国银联@1",
        "041@1@2@中国银联股份有限公司",
        "merchant",
    ]
    for name in names:
        assert not believed(unionpay, certify(name, new_key(), issuer))
    other = certify("041@Z12@00040000:SIGN@00000062", new_key(), issuer)
    assert not believed(unionpay, other)
    assert believed(unionpay, other, signer="00040000:SIGN")


def test_an_authority_or_one_who_may_not_sign_is_refused(unionpay: Any) -> None:
    issuer = (unionpay.middle, unionpay.middle_key)
    assert not believed(unionpay, certify(NAME, new_key(), issuer, ca=True))
    assert not believed(unionpay, certify(NAME, new_key(), issuer, signs=False))


def test_a_middle_certificate_must_be_an_authority_and_valid(unionpay: Any) -> None:
    root = (unionpay.root, unionpay.root_key)
    key = new_key()
    plain = certify("plain", key, root)
    leaf = certify(NAME, new_key(), (plain, key))
    assert not believed(unionpay, leaf, middles=pem_of(plain))
    for ca, certifies in ((False, True), (True, False)):
        half = certify("half", key, root, ca=ca, certifies=certifies)
        leaf = certify(NAME, new_key(), (half, key))
        assert not believed(unionpay, leaf, middles=pem_of(half))
    renamed = certify("renamed", unionpay.middle_key, root, ca=True)
    assert not believed(unionpay, unionpay.signer, middles=pem_of(renamed))
    ended = certify("ended", key, root, ca=True, end=NOW - timedelta(days=1))
    leaf = certify(NAME, new_key(), (ended, key))
    assert not believed(unionpay, leaf, middles=pem_of(ended))
    assert believed(unionpay, leaf, middles=pem_of(ended), at=NOW - timedelta(days=2))


def test_several_middle_certificates_make_a_path(unionpay: Any) -> None:
    key = new_key()
    lower = certify("lower", key, (unionpay.middle, unionpay.middle_key), ca=True)
    leaf = certify(NAME, new_key(), (lower, key))
    both = pem_of(unionpay.middle) + pem_of(lower)
    assert believed(unionpay, leaf, middles=both)
    assert believed(unionpay, unionpay.signer, middles=both)
    assert not believed(unionpay, leaf)
    assert not believed(unionpay, leaf, middles=pem_of(lower) * 5)


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN CERTIFICATE-----", "书"])
def test_what_is_no_certificate_is_refused(unionpay: Any, text: str) -> None:
    assert not believed(unionpay, text)
    assert not believed(unionpay, unionpay.signer, middles=text)
    assert not believed(unionpay, unionpay.signer, root=text)
    with pytest.raises(CertificateRefused):
        check_authorities(root=pem_of(unionpay.root), middles=text)


def test_authorities_must_belong_together(unionpay: Any) -> None:
    check_authorities(root=pem_of(unionpay.root), middles=pem_of(unionpay.middle))
    other = certify("root", new_key(), None, ca=True)
    with pytest.raises(CertificateRefused):
        check_authorities(root=pem_of(other), middles=pem_of(unionpay.middle))

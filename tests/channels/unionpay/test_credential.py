"""The merchant's signing credential: PKCS#12 or PEM, and errors that quote nothing."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from gateway.channels.crypto import KeyUnusable
from gateway.channels.unionpay.credential import credential_of
from tests.channels.unionpay.conftest import CERT_ID, certify, private_pem

pytestmark = pytest.mark.fast

PASSWORD = "000000"


def pfx(key: Any, certificate: Any, password: str = PASSWORD) -> str:
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    data = serialize_key_and_certificates(b"m", key, certificate, None, encryption)
    return base64.b64encode(data).decode()


def test_a_pem_key_with_its_number(unionpay: Any) -> None:
    found = credential_of(unionpay.account().credentials)
    assert (found.cert_id, found.private_key) == (CERT_ID, private_pem(unionpay.merchant_key))
    assert "PRIVATE" not in repr(found)


def test_a_pkcs12_file_brings_its_number_in_decimal(unionpay: Any) -> None:
    certificate = certify("merchant", unionpay.merchant_key, None)
    text = pfx(unionpay.merchant_key, certificate)
    broken = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    for file in (text, broken):
        found = credential_of({"sign_pfx": file, "sign_pfx_password": PASSWORD})
        assert found.cert_id == str(certificate.serial_number)
        assert found.private_key == private_pem(unionpay.merchant_key)
    bare = pfx(unionpay.merchant_key, certificate, "")
    assert credential_of({"sign_pfx": bare}).cert_id == str(certificate.serial_number)


def test_what_cannot_sign_is_refused_without_quoting_it(unionpay: Any) -> None:
    certificate = certify("merchant", unionpay.merchant_key, None)
    good = pfx(unionpay.merchant_key, certificate)
    curve = ec.generate_private_key(ec.SECP256R1())
    bad: list[dict[str, str]] = [
        {},
        {"sign_pfx": good, "sign_pfx_password": "wrong-secret"},
        {"sign_pfx": good},
        {"sign_pfx": good[:-8], "sign_pfx_password": PASSWORD},
        {"sign_pfx": "书", "sign_pfx_password": PASSWORD},
        {"sign_pfx": pfx(unionpay.merchant_key, None), "sign_pfx_password": PASSWORD},
        {"sign_pfx": pfx(curve, None), "sign_pfx_password": PASSWORD},
        {"merchant_private_key": private_pem(unionpay.merchant_key)},
        {"merchant_private_key": private_pem(unionpay.merchant_key), "cert_id": "0x12"},
        {"merchant_private_key": "no key", "cert_id": "1"},
    ]
    for credentials in bad:
        with pytest.raises(KeyUnusable) as refused:
            credential_of(credentials)
        assert not any(value in str(refused.value) for value in credentials.values() if value)

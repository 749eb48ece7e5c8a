"""A merchant of the load tests signs as the contract says."""

import pytest

from fastpath.keyed import HmacKey
from fastpath.signature import parse_authorization
from loadtests.account import Account

pytestmark = pytest.mark.fast

SECRET = bytes(range(32))
ACCOUNT = Account("mch_01jd3x2n5sf7x8k2m4p6q8r0ab", "key_01jd3x2n5sf7x8k2m4p6q8r0ab", SECRET)


@pytest.mark.parametrize("body", [b"", b'{"amount":1}'])
def test_its_signature_holds(body: bytes) -> None:
    header = parse_authorization(ACCOUNT.authorization("POST", "/v1/refunds", body).encode())
    assert (header.mch, header.key) == (ACCOUNT.merchant_id, ACCOUNT.key_id)
    assert HmacKey(SECRET).verify_request(
        b"POST", b"/v1/refunds", header.ts_text, header.nonce, body, header.sig
    )

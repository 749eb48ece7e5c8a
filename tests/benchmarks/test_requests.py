"""Requests made beforehand: what is replayed is what a merchant would send."""

from pathlib import Path

import pytest

from benchmarks.replay import records
from benchmarks.requests import Request, Signer, plain, signed, write
from fastpath.keyed import HmacKey
from fastpath.signature import parse_authorization

pytestmark = pytest.mark.fast

SECRET = bytes(range(32))
BODY = b'{"amount":1}'
NONCE = "n" * 20
SIGNER = Signer("mch_01jd3x2n5sf7x8k2m4p6q8r0ab", "key_01jd3x2n5sf7x8k2m4p6q8r0ab", SECRET)


@pytest.mark.parametrize(("method", "body"), [("POST", BODY), ("GET", b"")])
def test_a_request_is_whole_and_its_signature_holds(method: str, body: bytes) -> None:
    raw = signed(SIGNER, method, "/v1/payments", body, nonce=NONCE)
    head, _, sent = raw.partition(b"\r\n\r\n")
    lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    header = parse_authorization(lines[b"Authorization"])
    assert sent == body and int(lines.get(b"Content-Length", b"0")) == len(body)
    assert HmacKey(SECRET).verify_request(
        method.encode(), b"/v1/payments", header.ts_text, header.nonce, body, header.sig
    )


def test_a_file_gives_back_its_requests_in_their_order(tmp_path: Path) -> None:
    body = b"a=1 200 x\nb"  # looks like a record, and is none
    first = plain("POST", "/", body, media_type="application/json")
    second = plain("GET", "/", b"", media_type="")
    asked = [Request(first, 201, b'"a": "b c"'), Request(second, 200, b"")]
    assert write(tmp_path / "file", asked) == 2
    found = list(records(tmp_path / "file", loop=False))
    assert found == [(first, b"201", b'"a": "b c"'), (second, b"200", b"")]

"""Messages of the wallet protocol: signed to the byte, fresh, and about what was asked."""

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.channels.balance.message import Answer, open_answer, request
from gateway.channels.codec import Unknown
from tests.channels.balance.conftest import ATTEMPT, KEY, NOW, account, answer, debit, mac


def opened(response):
    return open_answer(account(), response, operation="debit", number=ATTEMPT)


def test_a_request_is_signed_over_all_of_it() -> None:
    sent = request(account(), method="POST", path="/v1/debits?a=b", now=NOW, content={"x": "茶"})
    headers = dict(sent.headers)
    found = re.fullmatch(
        r'WALLET1-HMAC-SHA256 client="shop",ts="(\d+)",nonce="([0-9a-f]{32})",sig="(.+)"',
        headers["Authorization"],
    )
    assert found is not None
    ts, nonce, sig = found.groups()
    assert ts == str(int(NOW.timestamp()))
    message = f"WALLET1 request\nPOST\n/api/v1/debits?a=b\n{ts}\n{nonce}\n".encode()
    assert sig == mac(message + '{"x":"茶"}'.encode() + b"\n")
    assert sent.url == "https://wallets.example.com/api/v1/debits?a=b"
    assert headers["Content-Type"] == "application/json"


def test_nonces_differ_with_time_and_target_and_nothing_else() -> None:
    def nonce(path: str, **delta: int) -> str:
        sent = request(account(), method="GET", path=path, now=NOW + timedelta(**delta))
        return dict(sent.headers)["Authorization"].partition('nonce="')[2][:32]

    assert nonce("/a") == nonce("/a")
    assert len({nonce("/a"), nonce("/b"), nonce("/a", microseconds=1)}) == 3


def test_a_right_answer_is_opened() -> None:
    found = opened(answer(debit()))
    assert isinstance(found, Answer) and found.code == ""
    assert (found.text("status"), found.amount("amount")) == ("done", 1_234)
    refused = opened(answer({"operation": "debit", "number": ATTEMPT, "code": "funds_short"}, 422))
    assert isinstance(refused, Answer) and refused.code == "funds_short"


def test_every_flipped_bit_is_noticed() -> None:
    right = answer(debit())
    for at in range(len(right.body) * 8):
        body = bytearray(right.body)
        body[at // 8] ^= 1 << at % 8
        assert isinstance(opened(replace(right, body=bytes(body))), Unknown), at


@pytest.mark.parametrize(
    "header",
    [
        "",
        'ts="1",sig="x"',
        'sig="{sig}",ts="{ts}"',
        'ts="{ts}",sig="{sig}" ',
        'ts="{ts}1",sig="{sig}"',
        'ts="{later}",sig="{sig}"',
    ],
)
def test_other_headers_are_no_signature(header: str) -> None:
    right = answer(debit())
    ts, sig = re.findall(r'"([^"]+)"', right.headers["wallet-signature"])
    text = header.format(ts=ts, sig=sig, later=int(ts) + 1)
    assert isinstance(opened(replace(right, headers={"wallet-signature": text})), Unknown)


def test_status_and_key_are_covered() -> None:
    right = answer(debit())
    assert isinstance(opened(replace(right, status=201)), Unknown)
    assert isinstance(opened(answer(debit(), key=KEY[::-1])), Unknown)
    view = account(service_key="not a key")
    found = open_answer(view, right, operation="debit", number=ATTEMPT)
    assert isinstance(found, Unknown)


@pytest.mark.parametrize(
    ("seconds", "is_fresh"), [(299, True), (-299, True), (302, False), (-302, False)]
)
def test_a_stale_answer_is_none(seconds: int, is_fresh: bool) -> None:
    found = opened(answer(debit(), received_at=NOW + timedelta(seconds=seconds)))
    assert isinstance(found, Answer) == is_fresh


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (debit(number="other"), 200),
        (debit(operation="credit"), 200),
        (debit(number=...), 200),
        (debit(code="funds_short"), 200),
        (debit(), 422),
        ({"operation": "debit", "number": ATTEMPT, "code": 7}, 422),
        ({"operation": "debit", "number": ATTEMPT, "code": "A" * 99}, 422),
        (b"[]", 200),
        (b"{", 200),
        (b"\xff", 200),
    ],
)
def test_a_signed_answer_about_something_else_is_none(value, status: int) -> None:
    assert isinstance(opened(answer(value, status)), Unknown)


def test_without_a_key_nothing_is_sent() -> None:
    with pytest.raises(ValueError, match="service_key"):
        request(account(service_key="AAAA"), method="GET", path="/x", now=NOW)

"""The quick reading of an order says what the careful one says, or nothing."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given as supposing
from hypothesis import settings
from hypothesis import strategies as st

from fastpath.order import PlainOrder, read_order
from gateway.center.quick_pay import OPERATION, QuickPay
from gateway.domain import payment as payments
from gateway.domain.errors import TillgateError
from gateway.domain.events import encode
from gateway.domain.idempotency import Fingerprints, canonical
from gateway.domain.payment import Payment
from gateway.web.api.schemas import CreatePayment, given
from gateway.web.body import convert, read_json

pytestmark = pytest.mark.fast

texts = st.one_of(
    st.text(st.characters(min_codepoint=0x20, exclude_characters='"\\'), max_size=130),
    st.text(max_size=20),
    st.text("0123456789 -", min_size=10, max_size=30),
)
currencies = st.one_of(st.sampled_from(["CNY", "USD", "JPY", "XXX", "ZZZ"]), st.text(max_size=3))
urls = st.one_of(
    st.sampled_from(["https://a.example/b?c=d&e", "http://127.0.0.1:9/", "https://u@a.example/"]),
    st.text("az:/.?#[]@!~0", max_size=20).map("https://".__add__),
)
bodies = st.fixed_dictionaries(
    {
        "merchant_order_no": st.one_of(st.text("aZ09_-|*.:/", max_size=66), st.text(max_size=5)),
        "amount": st.integers(-1, 10**13),
        "currency": currencies,
        "subject": texts,
    },
    optional={
        "metadata": st.dictionaries(
            st.one_of(st.text("aZ0_.-", max_size=42), st.text(max_size=2)), texts, max_size=22
        ),
        "expires_in": st.integers(0, 3_000_000),
        "notify_url": urls,
        "return_url": urls,
        "method": st.just("alipay_qr"),
    },
)


@settings(max_examples=1000)
@supposing(bodies, st.booleans(), st.sampled_from([None, 1, "\t"]), st.randoms())
def test_what_is_read_quickly_is_what_is_read_carefully(
    members: dict[str, Any], ascii_only: bool, indent: Any, random: Any
) -> None:
    items = list(members.items())
    random.shuffle(items)
    try:
        raw = json.dumps(dict(items), ensure_ascii=ascii_only, indent=indent).encode()
    except UnicodeEncodeError:
        return
    quick = read_order(raw)
    if quick is None:
        return
    value = read_json(raw)
    assert OPERATION + quick.content == canonical("create_payment", "/v1/payments", value)
    try:
        careful = convert(value, CreatePayment)
        careful.check(sandbox=True)
    except TillgateError:
        assert not is_taken(quick)
        return
    assert is_taken(quick)
    assert quick[:4] == (
        careful.merchant_order_no,
        careful.amount,
        careful.currency,
        careful.subject,
    )
    assert json.loads(quick.metadata) == careful.metadata
    assert list(json.loads(quick.metadata)) == list(careful.metadata)
    assert (quick.expires_in or 7200) == careful.expires_in
    assert (quick.notify_url or None) == given(careful.notify_url)
    assert (quick.return_url or None) == given(careful.return_url)


class Anything:
    """Books, directory, clock and ids of a payment that goes nowhere."""

    fingerprints = Fingerprints({1: bytes(32)})

    def __init__(self) -> None:
        self.submitted = 0

    def submit_fresh(self, quick: object) -> None:
        self.submitted += 1

    def business_ms(self) -> int:
        return 1_700_000_000_000

    def make_with_digits(self, prefix: str, merchant_id: str) -> tuple[str, str]:
        return f"{prefix}_1", "0" * 32


def is_taken(order: PlainOrder) -> bool:
    """Whether the centre takes an order that was read quickly, in a sandbox."""
    world: Any = Anything()
    pay = QuickPay(
        pay=world,
        books=world,
        directory=world,
        clock=world,
        ids=world,
        livemode=False,
    )
    taken = pay.create("mch_1", order, actor="key_1", request_id="req_1", asker=world)
    assert taken == (world.submitted == 1)
    return taken


@pytest.mark.parametrize("livemode", [True, False])
@supposing(
    texts=st.lists(
        st.text(st.characters(min_codepoint=0xA0, exclude_categories=["Cs"]), max_size=9),
        min_size=4,
        max_size=4,
    ),
    amount=st.integers(1, 10**12),
    created_ms=st.integers(10**12, 4 * 10**12),
    url=st.sampled_from([None, "https://a.example/b?c=d"]),
)
def test_the_view_of_a_fresh_payment_is_its_view(
    livemode: bool, texts: list[str], amount: int, created_ms: int, url: str | None
) -> None:
    metadata = {texts[3]: texts[2], "k": ""}
    expires_ms = created_ms + 7_200_000
    payment = Payment(
        merchant_id="mch_1",
        id="pay_1",
        merchant_order_no=texts[0],
        fingerprint=b"",
        fingerprint_key=1,
        amount=amount,
        currency=texts[1],
        subject=texts[2],
        status="requires_payment_method",
        livemode=livemode,
        capture_method="automatic",
        created_at=datetime.fromtimestamp(created_ms / 1000, UTC),
        expires_at=datetime.fromtimestamp(expires_ms / 1000, UTC),
        metadata=metadata,
        return_url=url,
        notify_url=url and url + "x",
    )
    text = payments.fresh_view(
        payment_id="pay_1",
        merchant_order_no=texts[0],
        amount=amount,
        currency=texts[1],
        subject=texts[2],
        metadata=encode(metadata).decode(),
        return_url=url,
        notify_url=url and url + "x",
        created_ms=created_ms,
        expires_ms=expires_ms,
        livemode=livemode,
    )
    assert text.encode() == encode(payments.view(payment))

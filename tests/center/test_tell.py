"""Hearing a channel: with what is known now, or once its key was learnt; views are made once."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from gateway.center.keyring import KeyRing
from gateway.center.tell import VIEWS_KEPT_MAX, Addresses, Teller
from gateway.channels.alipay.codec import AlipayCodec
from gateway.channels.codec import AccountView, CallbackRefused, VerifiedCallback
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.registry import Registry
from gateway.channels.wire import CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.merchant import ChannelAccount

ACCOUNT = ChannelAccount(
    id="cac_1",
    merchant_id="mer_1",
    channel="alipay",
    methods=("alipay_qr",),
    credentials={"app_id": "1"},
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
)
ADDRESSES = Addresses("https://pay.example.com", {"alipay": "https://channel.example.com/do"})


class Learner(AlipayCodec):
    """A channel whose callback is the serial of the key that signed it."""

    def build_keys(self, account, serial, now) -> HttpRequest | None:
        return HttpRequest("GET", f"{account.gateway_url}/{serial}")

    def read_keys(self, account, response, now) -> dict[str, str]:
        serial = response.body.decode()
        return {} if serial == "nobody" else {serial: "pem"}

    def read_callback(self, account, request, now) -> VerifiedCallback:
        serial = request.body.decode()
        if serial == "forged":
            raise CallbackRefused("bad_signature")
        if serial not in account.keys:
            raise CallbackRefused(UNKNOWN_SERIAL, serial=serial)
        return VerifiedCallback(f"{account.account_id} {now}", None, None)


class Hands:
    """Clock, client and watch of the test."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def wall(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)

    def broken(self, what: str, error: BaseException) -> None:
        raise AssertionError(what) from error

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request.url)
        return HttpResponse(200, {}, request.url.rpartition("/")[2].encode())


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def teller(hands: Hands) -> Teller:
    return Teller(
        registry=Registry([Learner()]),
        http=hands,
        clock=hands,
        addresses=ADDRESSES,
        keys=KeyRing(http=hands, clock=hands, watch=hands),
    )


def signed_by(serial: str) -> CallbackRequest:
    return CallbackRequest("POST", "/callbacks/alipay/cac_1", {}, serial.encode())


async def test_who_hears_asks_nobody_and_who_waits_learns_the_key(hands, teller) -> None:
    with pytest.raises(CallbackRefused, match=UNKNOWN_SERIAL):
        teller.hear(ACCOUNT, signed_by("A"))
    assert hands.sent == []
    heard = await teller.heard(ACCOUNT, signed_by("A"))
    assert heard.dedupe_key == "cac_1 2026-11-22 00:00:00+00:00"
    assert hands.sent == ["https://channel.example.com/do/A"]
    assert teller.hear(ACCOUNT, signed_by("A")) == heard
    assert await teller.heard(ACCOUNT, signed_by("A")) == heard
    assert len(hands.sent) == 1


@pytest.mark.parametrize(
    ("serial", "reason", "sent"), [("forged", "bad_signature", 0), ("nobody", UNKNOWN_SERIAL, 1)]
)
async def test_what_stays_unproven_is_refused(hands, teller, serial, reason, sent) -> None:
    with pytest.raises(CallbackRefused) as refused:
        await teller.heard(ACCOUNT, signed_by(serial))
    assert refused.value.reason == reason and len(hands.sent) == sent


async def test_a_view_is_made_anew_when_anything_of_it_changes(teller: Teller) -> None:
    view = teller.view(ACCOUNT)
    assert view == AccountView(
        account_id="cac_1",
        channel="alipay",
        gateway_url="https://channel.example.com/do",
        notify_url="https://pay.example.com/callbacks/alipay/cac_1",
        credentials={"app_id": "1"},
    )
    assert teller.view(ACCOUNT) is view
    changed = replace(ACCOUNT, credentials={"app_id": "2"})
    assert teller.view(changed).credentials == {"app_id": "2"}
    assert teller.view(ACCOUNT).credentials == {"app_id": "1"}
    await teller.heard(ACCOUNT, signed_by("A"))
    assert teller.view(ACCOUNT).keys == {"A": "pem"}
    teller._addresses = Addresses("https://other.example.com", {})
    assert teller.view(ACCOUNT).notify_url == "https://other.example.com/callbacks/alipay/cac_1"
    assert teller.view(ACCOUNT).gateway_url == ""


def test_only_so_many_views_are_kept(teller: Teller) -> None:
    for number in range(VIEWS_KEPT_MAX + 5):
        account = replace(ACCOUNT, id=f"cac_{number}")
        assert teller.view(account).account_id == account.id
        teller.view(replace(account, version=2))
    assert len(teller._kept) == VIEWS_KEPT_MAX
    assert "cac_4" not in teller._kept and "cac_5" in teller._kept

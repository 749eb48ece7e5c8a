"""Authenticate: who cannot prove who he is learns nothing; who can is held to his key's limits."""

import base64
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from gateway.adapters.system.identifiers import RandomIds
from gateway.center import authenticate as module
from gateway.center.authenticate import Authenticator, Caller, name_of_request
from gateway.domain.errors import TillgateError
from gateway.domain.merchant import Key, Merchant

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
NONCE = "5K8264ILTKCH16CQ2502SI8ZNMTM67VS"
make = RandomIds()

ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
SECRET = bytes(range(32))

SCHEMES = {
    "hmac-sha256": "TILL1-HMAC-SHA256",
    "ed25519": "TILL1-ED25519",
    "rsa2048": "TILL1-SHA256-RSA2048",
}
MATERIAL = {
    "hmac-sha256": SECRET,
    "ed25519": ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
    "rsa2048": RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
}
SIGN: dict[str, Callable[[bytes], bytes]] = {
    "hmac-sha256": lambda message: hmac.digest(SECRET, message, "sha256"),
    "ed25519": ED25519.sign,
    "rsa2048": lambda message: RSA.sign(message, padding.PKCS1v15(), hashes.SHA256()),
}


class StandingClock:
    def __init__(self) -> None:
        self.at = NOW
        self.ahead = timedelta(0)

    def wall(self) -> datetime:
        return self.at

    def wall_s(self) -> int:
        return int(self.at.timestamp())

    def business(self) -> datetime:
        return self.at + self.ahead


class KnownParties:
    """A directory of a few, some of them not yet in memory; it counts what it is asked."""

    def __init__(self) -> None:
        self.in_memory: dict[str, object] = {}
        self.elsewhere: dict[str, object] = {}
        self.asked: list[str] = []

    def key(self, key_id: str):
        return self.in_memory.get(key_id)

    merchant = key

    async def find_key(self, key_id: str):
        self.asked.append(key_id)
        return self.in_memory.get(key_id) or self.elsewhere.get(key_id)

    find_merchant = find_key


class World:
    """A merchant with a key of each algorithm, and a client that signs with them."""

    def __init__(self) -> None:
        self.directory = KnownParties()
        self.clock = StandingClock()
        self.authenticator = Authenticator(directory=self.directory, clock=self.clock)  # type: ignore[arg-type]
        self.merchant = Merchant(id=make.in_bucket("mch", 7), name="Shop", created_at=NOW)
        self.keys = {
            algorithm: Key(
                id=make.make("key", self.merchant.id),
                merchant_id=self.merchant.id,
                algorithm=algorithm,
                secret=material,
                scopes=frozenset({"payments.read"}),
                created_at=NOW,
            )
            for algorithm, material in MATERIAL.items()
        }
        self.learn(self.merchant, *self.keys.values())

    def learn(self, *parties: Merchant | Key) -> None:
        self.directory.in_memory |= {party.id: party for party in parties}

    def facts(self, algorithm: str = "hmac-sha256", **changes) -> dict:
        key = changes.pop("key", self.keys[algorithm].id)
        mch = changes.pop("mch", self.merchant.id)
        ts = changes.pop("ts", str(self.clock.wall_s()))
        facts = {
            "method": b"POST",
            "target": b"/v1/payments?a=%20b",
            "body": b'{"amount": 1}',
            "address": "203.0.113.9",
            "scope": "payments.read",
        }
        signed = facts | changes.pop("signed", {})
        message = b"%b\n%b\n%b\n%b\n%b\n" % (
            signed["method"],
            signed["target"],
            ts.encode(),
            NONCE.encode(),
            signed["body"],
        )
        signature = base64.b64encode(SIGN[algorithm](message)).decode()
        scheme = changes.pop("scheme", SCHEMES[algorithm])
        header = f'{scheme} mch="{mch}",key="{key}",ts="{ts}",nonce="{NONCE}",sig="{signature}"'
        return facts | {"authorization": header.encode()} | changes

    def refused(self, facts: dict) -> TillgateError:
        with pytest.raises(TillgateError) as caught:
            self.authenticator.authenticate_now(**facts)
        return caught.value


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("algorithm", SCHEMES)
async def test_a_signed_request_is_its_keys(world: World, algorithm: str) -> None:
    facts = world.facts(algorithm)
    expected = Caller(world.merchant, world.keys[algorithm])
    assert world.authenticator.authenticate_now(**facts) == expected
    assert world.directory.asked == []
    assert await world.authenticator.authenticate(**facts) == expected


async def test_what_is_not_in_memory_is_looked_up(world: World) -> None:
    facts = world.facts()
    key = world.keys["hmac-sha256"]
    for absent in (key.id, world.merchant.id):
        party = world.directory.in_memory.pop(absent)
        assert world.authenticator.authenticate_now(**facts) is None
        world.directory.elsewhere[absent] = party
        assert await world.authenticator.authenticate(**facts) == Caller(world.merchant, key)


def other_merchant(world: World) -> dict:
    stranger = Merchant(id=make.in_bucket("mch", 7), name="Other", created_at=NOW)
    world.learn(stranger)
    return world.facts(mch=stranger.id)


def with_key(**changes):
    def prepare(world: World) -> dict:
        world.learn(replace(world.keys["hmac-sha256"], **changes))
        return world.facts()

    return prepare


def suspended(world: World) -> dict:
    world.learn(replace(world.merchant, status="suspended"))
    return world.facts()


def flipped(world: World) -> dict:
    facts = world.facts()
    head, sig = facts["authorization"].split(b'sig="')
    raw = bytearray(base64.b64decode(sig[:-1]))
    raw[0] ^= 1
    return facts | {"authorization": head + b'sig="' + base64.b64encode(raw) + b'"'}


UNPROVEN: dict[str, Callable[[World], dict]] = {
    "no header": lambda w: w.facts(authorization=None),
    "an empty header": lambda w: w.facts(authorization=b""),
    "another scheme": lambda w: w.facts(authorization=b"Bearer abc"),
    "bytes that are no text": lambda w: w.facts(authorization=b"\xff\xfe"),
    "a wrong bit": flipped,
    "another body": lambda w: w.facts(signed={"body": b"{}"}),
    "another target": lambda w: w.facts(signed={"target": b"/v1/payments?a= b"}),
    "another method": lambda w: w.facts(signed={"method": b"GET"}),
    "too old": lambda w: w.facts(ts=str(w.clock.wall_s() - 301)),
    "too new": lambda w: w.facts(ts=str(w.clock.wall_s() + 301)),
    "another merchant": other_merchant,
    "the key of another algorithm": lambda w: w.facts("hmac-sha256", key=w.keys["ed25519"].id),
    "another algorithm named": lambda w: w.facts(scheme="TILL1-ED25519"),
    "revoked": with_key(status="revoked"),
    "expired": with_key(expires_at=NOW),
    "another secret": with_key(secret=b"x" * 32),
    "suspended": suspended,
    "a line feed in the target": lambda w: w.facts(target=b"/v1\n/x"),
}


@pytest.mark.parametrize("fault", UNPROVEN)
def test_every_fault_is_one_answer(world: World, fault: str) -> None:
    error = world.refused(UNPROVEN[fault](world))
    expected = module.unauthenticated()
    assert (error.code, error.detail, error.param, error.extra) == (
        "unauthenticated",
        expected.detail,
        None,
        {},
    )


async def test_an_unknown_key_is_the_same_answer(world: World) -> None:
    facts = world.facts(key=make.make("key", world.merchant.id))
    assert world.authenticator.authenticate_now(**facts) is None
    with pytest.raises(TillgateError) as caught:
        await world.authenticator.authenticate(**facts)
    assert (caught.value.code, caught.value.detail) == (
        "unauthenticated",
        module.unauthenticated().detail,
    )


@pytest.mark.parametrize("algorithm", SCHEMES)
async def test_an_unknown_key_costs_a_verification(
    world: World, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {
        "hmac-sha256": "_hmac_key",
        "ed25519": "verify_ed25519",
        "rsa2048": "verify_rsa2048_sha256",
    }
    calls: list[str] = []
    for name in names.values():
        real = getattr(module, name)

        def counted(*arguments, real=real, name=name):
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(module, name, counted)
    known = world.facts(algorithm, signed={"body": b"other"})
    unknown = world.facts(algorithm, key=make.make("key", world.merchant.id))
    costs = []
    for facts in (known, unknown):
        calls.clear()
        with pytest.raises(TillgateError):
            await world.authenticator.authenticate(**facts)
        costs.append(list(calls))
    assert costs == [[names[algorithm]], [names[algorithm]]]


async def test_nobodys_keys_open_no_door(world: World) -> None:
    """Signed with what stands in for unknown keys: refused, also in the name of a known key."""
    secret = module._NOBODYS_KEYS["TILL1-HMAC-SHA256"]
    for key in (make.make("key", world.merchant.id), world.keys["ed25519"].id):
        await refused_as_nobody(world, secret, world.facts(key=key))


async def refused_as_nobody(world: World, secret: bytes, facts: dict) -> None:
    message = b"POST\n/v1/payments?a=%%20b\n%d\n%b\n%b\n" % (
        world.clock.wall_s(),
        NONCE.encode(),
        facts["body"],
    )
    signature = base64.b64encode(hmac.digest(secret, message, "sha256"))
    head = facts["authorization"].split(b'sig="')[0]
    with pytest.raises(TillgateError):
        await world.authenticator.authenticate(
            **(facts | {"authorization": head + b'sig="' + signature + b'"'})
        )


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_the_window_is_of_real_time(world: World, seconds: int) -> None:
    world.clock.ahead = timedelta(days=30)
    facts = world.facts(ts=str(world.clock.wall_s() + seconds))
    assert world.authenticator.authenticate_now(**facts) is not None


def test_an_expiring_key_signs_to_its_moment(world: World) -> None:
    world.learn(replace(world.keys["hmac-sha256"], expires_at=NOW + timedelta(seconds=1)))
    assert world.authenticator.authenticate_now(**world.facts()) is not None
    world.clock.at += timedelta(seconds=1)
    assert world.refused(world.facts()).code == "unauthenticated"


def test_scope_and_address_are_told_to_the_proven_only(world: World) -> None:
    assert world.refused(world.facts(scope="payments.write")).code == "forbidden_scope"
    assert world.authenticator.authenticate_now(**world.facts(scope=None)) is not None
    world.learn(replace(world.keys["hmac-sha256"], ip_allow=(ip_network("198.51.100.0/24"),)))
    assert world.refused(world.facts()).code == "ip_not_allowed"
    assert world.refused(world.facts(signed={"body": b"x"})).code == "unauthenticated"
    for inside in ("198.51.100.7", "::ffff:198.51.100.7"):
        assert world.authenticator.authenticate_now(**world.facts(address=inside)) is not None


def test_a_request_has_a_name_of_its_own(world: World) -> None:
    first = world.facts()["authorization"]
    again = world.facts()["authorization"]
    later = world.facts(ts=str(world.clock.wall_s() + 1))["authorization"]
    elsewhere = world.facts("ed25519")["authorization"]
    assert name_of_request(first) == name_of_request(again)
    assert len({name_of_request(each) for each in (first, later, elsewhere)}) == 3
    assert name_of_request(first).startswith("~")
    with pytest.raises(TillgateError):
        name_of_request(b"")

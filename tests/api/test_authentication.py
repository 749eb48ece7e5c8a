"""Who cannot prove who he is gets one answer, and what a key may do is held to."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.app import open_core
from gateway.telemetry.metrics import Metrics
from tests.api.conftest import Api, Caller, RawAnswer, ask, request_bytes, until, without_names

NOW = 0  # real time while a test runs, in Unix seconds
PAYMENTS = "/v1/payments"
REVOCATION_SECONDS_MAX = 5
CHALLENGE = "TILL1-HMAC-SHA256, TILL1-ED25519, TILL1-SHA256-RSA2048"


@pytest.fixture(autouse=True)
def _standing_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's time stands still, so that the edges of the window can be stood on."""
    now = int(time.time())
    monkeypatch.setitem(globals(), "NOW", now)
    monkeypatch.setattr(api.world.core.clock, "wall_s", lambda: now)


def is_unauthenticated(answer: RawAnswer) -> dict[str, Any]:
    """The one refusal, without what names the request."""
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == CHALLENGE
    return without_names(json.loads(answer.body))


async def unsigned_answer(api: Api) -> dict[str, Any]:
    """What somebody without any header is told."""
    data = b"GET /v1/payments HTTP/1.1\r\nHost: t\r\n\r\n"
    return is_unauthenticated(await ask(api.world, data))


class Header:
    """The parts of an Authorization header, to be put together wrongly."""

    def __init__(self, caller: Caller, target: str = PAYMENTS, *, ts: str | None = None) -> None:
        ts = ts or str(NOW)
        self.scheme = "TILL1-HMAC-SHA256"
        self.mch, self.key, self.ts = caller.mch, caller.key, ts
        self.nonce = "5K8264ILTKCH16CQ2502SI8ZNMTM67VS"
        message = f"GET\n{target}\n{ts}\n{self.nonce}\n\n".encode()
        digest = hmac.digest(caller.secret, message, hashlib.sha256)
        self.sig = base64.b64encode(digest).decode()

    def pairs(self) -> list[str]:
        """The five pairs, in the usual order."""
        return [f'{n}="{getattr(self, n)}"' for n in ("mch", "key", "ts", "nonce", "sig")]

    def text(self, joint: str = ",") -> str:
        """The whole header."""
        return f"{self.scheme} {joint.join(self.pairs())}"


async def get(api: Api, authorization: str | None, *more: str) -> RawAnswer:
    """`GET /v1/payments` with this header."""
    lines = ["GET /v1/payments HTTP/1.1", "Host: t", *more]
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    return await ask(api.world, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")


# The grammar of the header


async def test_the_header_in_its_allowed_forms(api: Api, merchant: Caller) -> None:
    header = Header(merchant)
    backwards = f"{header.scheme} {', '.join(reversed(header.pairs()))}"
    for text in (header.text(), header.text(", "), backwards):
        assert (await get(api, text)).status == 200


HEADER_FAULTS: dict[str, Callable[[Header], str]] = {
    "nothing but the scheme": lambda h: h.scheme,
    "no scheme": lambda h: ",".join(h.pairs()),
    "another scheme": lambda h: h.text().replace("TILL1-HMAC-SHA256", "Bearer"),
    "the scheme in lower case": lambda h: h.text().replace("TILL1", "till1"),
    "two spaces": lambda h: h.text().replace(" ", "  ", 1),
    "a tab": lambda h: h.text().replace(" ", "\t", 1),
    "two spaces after a comma": lambda h: h.text(",  "),
    "a semicolon": lambda h: h.text(";"),
    "a comma at the end": lambda h: h.text() + ",",
    "no quotes": lambda h: h.text().replace('"', ""),
    "single quotes": lambda h: h.text().replace('"', "'"),
    "a space around =": lambda h: h.text().replace('key="', 'key = "'),
    "an unknown name": lambda h: h.text() + ',alg="x"',
    "a repeated name": lambda h: h.text() + f',ts="{h.ts}"',
    "names in upper case": lambda h: h.text().replace("mch=", "MCH="),
    "an escape": lambda h: h.text().replace('ts="1', 'ts="\\1'),
    **{
        f"without {name}": lambda h, name=name: (
            f"{h.scheme} " + ",".join(p for p in h.pairs() if not p.startswith(name))
        )
        for name in ("mch", "key", "ts", "nonce", "sig")
    },
    "no padding": lambda h: h.text().replace(h.sig, h.sig.rstrip("=")),
    "url-safe base64": lambda h: h.text().replace(h.sig, "-_" + h.sig[2:]),
    "loose last bits": lambda h: h.text().replace(h.sig, h.sig[:42] + _other_last(h.sig[42]) + "="),
    "an empty sig": lambda h: h.text().replace(h.sig, ""),
    "a short sig": lambda h: h.text().replace(h.sig, base64.b64encode(b"x" * 31).decode()),
    "a long sig": lambda h: h.text().replace(h.sig, base64.b64encode(b"x" * 33).decode()),
    "a wrong first byte": lambda h: h.text().replace(h.sig, _turned(h.sig, 0)),
    "a wrong last byte": lambda h: h.text().replace(h.sig, _turned(h.sig, 31)),
    "a nonce of 15": lambda h: h.text().replace(h.nonce, "a" * 15),
    "a nonce of 65": lambda h: h.text().replace(h.nonce, "a" * 65),
    "a nonce with a dot": lambda h: h.text().replace(h.nonce, "a" * 16 + "."),
    "another nonce": lambda h: h.text().replace(h.nonce, "a" * 32),
    "milliseconds": lambda h: h.text().replace(h.ts, h.ts + "000"),
    "nine digits": lambda h: h.text().replace(h.ts, h.ts[:9]),
    "a signed time": lambda h: h.text().replace(h.ts, "+" + h.ts[1:]),
    "digits of another script": lambda h: (
        h.text().replace(h.ts, "１８００００００００").encode().decode("latin-1")
    ),
    "another time": lambda h: h.text().replace(h.ts, str(NOW - 1)),
    "an unknown key": lambda h: h.text().replace(h.key, "key_01jd3xk1vvfr0anyb1ngk00000"),
    "no key": lambda h: h.text().replace(h.key, ""),
    "a key that is a merchant": lambda h: h.text().replace(h.key, h.mch),
    "an unknown merchant": lambda h: h.text().replace(h.mch, "mch_01jd3xk1vvfr0anyb1ngk00000"),
    "the id in upper case": lambda h: h.text().replace(h.mch, h.mch.upper()),
    "the key of an Ed25519 signature": lambda h: h.text().replace(h.scheme, "TILL1-ED25519"),
    "the key of an RSA signature": lambda h: h.text().replace(h.scheme, "TILL1-SHA256-RSA2048"),
    "too long": lambda h: h.text() + " " * 4000 + "x",
    "something before": lambda h: "x " + h.text(),
}


def _other_last(letter: str) -> str:
    """The base64 letter with another unused bit."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return alphabet[alphabet.index(letter) ^ 1]


def _turned(sig: str, at: int) -> str:
    raw = bytearray(base64.b64decode(sig))
    raw[at] ^= 1
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("fault", HEADER_FAULTS)
async def test_every_fault_of_the_header_is_one_answer(
    api: Api, merchant: Caller, fault: str
) -> None:
    header = Header(merchant)
    assert (await get(api, header.text())).status == 200
    text = HEADER_FAULTS[fault](header)
    assert text != header.text()
    async with api.no_effect():
        told = is_unauthenticated(await get(api, text))
        assert told == await unsigned_answer(api)
        assert not re.search(r"mch_|key_|stale|nonce", json.dumps(told))


async def test_two_headers_are_none(api: Api, merchant: Caller) -> None:
    header = Header(merchant).text()
    for other in (header, "Bearer x", ""):
        for first, second in ((header, other), (other, header)):
            answer = await get(api, first, f"Authorization: {second}")
            is_unauthenticated(answer)


# Time


@pytest.mark.parametrize("offset", [-300, -299, 0, 299, 300])
async def test_inside_the_window(api: Api, merchant: Caller, offset: int) -> None:
    header = Header(merchant, ts=str(NOW + offset))
    assert (await get(api, header.text())).status == 200


@pytest.mark.parametrize("offset", [-301, 301, -86_400, 86_400])
async def test_outside_the_window(api: Api, merchant: Caller, offset: int) -> None:
    header = Header(merchant, ts=str(NOW + offset))
    told = is_unauthenticated(await get(api, header.text()))
    assert told == await unsigned_answer(api)


async def test_the_window_is_of_real_time_when_the_sandbox_is_ahead(
    api: Api, merchant: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = api.world.core.clock.business
    clock = api.world.core.clock
    monkeypatch.setattr(clock, "business", lambda: ahead().replace(year=2099))
    assert (await get(api, Header(merchant).text())).status == 200


# What is signed


async def test_what_was_signed_is_what_counts(api: Api, merchant: Caller) -> None:
    raw = json.dumps(api.order()).encode()
    good = request_bytes(merchant, "POST", PAYMENTS, raw)
    async with api.no_effect():
        for changed in (
            good.replace(b'"amount": 100', b'"amount": 101'),
            good.replace(b"POST /v1/payments ", b"POST /v1/refunds "),
            good.replace(b"POST /v1/payments ", b"POST /v1/payments? "),
            good.replace(b"POST /v1/payments ", b"POST /v1/payments?a=b "),
            request_bytes(merchant, "POST", PAYMENTS, raw, signed_target="/v1/payments?"),
        ):
            assert changed != good
            is_unauthenticated(await ask(api.world, changed))
        # The method is signed too.
        authorization = merchant.authorization("POST", PAYMENTS, b"")
        is_unauthenticated(await get(api, authorization))
    assert (await ask(api.world, good)).status == 201


async def test_the_target_is_signed_as_it_stands(api: Api, merchant: Caller) -> None:
    for target in (
        "/v1/payments?limit=1",
        "/v1/payments?limit=%31",
        "/v1/payments?status=succeeded&limit=1",
        "/v1/payments?",
        "/v1/payments?merchant_order_no=a%2fb",
    ):
        answer = await ask(api.world, request_bytes(merchant, "GET", target))
        assert answer.status in (200, 404), target
    other = request_bytes(
        merchant, "GET", "/v1/payments?limit=%31", signed_target="/v1/payments?limit=1"
    )
    is_unauthenticated(await ask(api.world, other))


async def test_the_absolute_form_is_malformed(api: Api, merchant: Caller) -> None:
    for target in ("http://tillgate/v1/payments", "https://evil.example/v1/payments", "*"):
        data = request_bytes(merchant, "GET", target, signed_target=PAYMENTS)
        answer = await ask(api.world, data)
        assert (answer.status, answer.code) == (400, "malformed_request")


async def test_a_captured_request_is_harmless_and_then_worthless(
    api: Api, merchant: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured = request_bytes(merchant, "POST", PAYMENTS, json.dumps(api.order()).encode())
    first = await ask(api.world, captured)
    assert first.status == 201
    async with api.no_effect():
        again = await ask(api.world, captured)
        assert (again.status, again.body) == (200, first.body)
        assert again.headers["idempotent-replayed"] == "true"
        monkeypatch.setattr(api.world.core.clock, "wall_s", lambda: NOW + 301)
        is_unauthenticated(await ask(api.world, captured))


# Keys


def _pem(key: Any) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


async def test_public_keys_sign_too(api: Api) -> None:
    admin, owner = await api.admin(), await api.new_merchant()
    edwards = ed25519.Ed25519PrivateKey.generate()
    rivest = rsa.generate_private_key(65537, 2048)
    signers: dict[str, tuple[str, Any, Callable[[bytes], bytes]]] = {
        "ed25519": ("TILL1-ED25519", edwards, edwards.sign),
        "rsa2048": (
            "TILL1-SHA256-RSA2048",
            rivest,
            lambda message: rivest.sign(message, padding.PKCS1v15(), hashes.SHA256()),
        ),
    }
    for algorithm, (scheme, key, sign) in signers.items():
        body = {
            "algorithm": algorithm,
            "public_key": _pem(key.public_key()),
            "scopes": ["payments.read", "payments.write"],
        }
        made = await admin.post(f"/admin/v1/merchants/{owner.mch}/keys", body)
        assert made.status == 201 and "secret" not in made.body
        elsewhere = await api.new_merchant()
        taken = await admin.post(f"/admin/v1/merchants/{elsewhere.mch}/keys", body)
        assert (taken.status, taken.body["code"]) == (409, "key_exists")
        raw = json.dumps(api.order()).encode()
        nonce = "a" * 16
        message = f"POST\n{PAYMENTS}\n{NOW}\n{nonce}\n".encode() + raw + b"\n"
        pairs = (
            f'mch="{owner.mch}",key="{made.body["id"]}",ts="{NOW}",nonce="{nonce}"',
            f'sig="{base64.b64encode(sign(message)).decode()}"',
        )
        authorization = f"{scheme} " + ",".join(pairs)
        answer = await owner.send("POST", PAYMENTS, raw, authorization=authorization)
        assert answer.status == 201
        forged = f"TILL1-HMAC-SHA256 {','.join(pairs)}"
        answer = await owner.send("POST", PAYMENTS, raw, authorization=forged)
        assert answer.status == 401


async def test_two_keys_live_and_a_third_is_refused(api: Api) -> None:
    admin, owner = await api.admin(), await api.new_merchant()
    keys = f"/admin/v1/merchants/{owner.mch}/keys"
    body = {"algorithm": "hmac-sha256", "scopes": ["payments.read"]}
    second = await admin.post(keys, body)
    assert second.status == 201
    other = Caller(
        owner.session,
        owner.base,
        mch=owner.mch,
        key=second.body["id"],
        secret=base64.b64decode(second.body["secret"]),
    )
    other.contract, other.router = owner.contract, owner.router
    assert (await owner.get(PAYMENTS)).status == (await other.get(PAYMENTS)).status == 200
    async with api.no_effect():
        third = await admin.post(keys, body)
        assert (third.status, third.body["code"]) == (409, "too_many_keys")
    assert (await admin.post(f"/admin/v1/keys/{owner.key}/revoke")).status == 200
    assert (await owner.get(PAYMENTS)).status == 401
    assert (await other.get(PAYMENTS)).status == 200
    assert (await admin.post(keys, body)).status == 201


async def test_a_key_that_another_process_revoked_is_refused_within_five_seconds(
    api: Api,
) -> None:
    owner = await api.new_merchant()
    assert (await owner.get(PAYMENTS)).status == 200
    async with open_core(api.world.core.settings, Metrics(None, role="gateway")) as other:
        await other.onboard.revoke_key(owner.key, actor="test", request_id=None)
        await until(lambda: _is_refused(owner), seconds=REVOCATION_SECONDS_MAX)


async def _is_refused(caller: Caller) -> bool:
    return (await caller.get(PAYMENTS)).status == 401


async def test_a_key_beyond_its_time(api: Api) -> None:
    owner = await api.new_merchant()
    assert (await owner.get(PAYMENTS)).status == 200
    await api.world.sql(
        "with counted as (update directory_state set version = version + 1 returning version) "
        "update keys k set expires_at = now() - interval '1 second', version = k.version + 1, "
        "directory_version = counted.version from counted where k.key_id = $1",
        _uuid(owner.key),
    )
    await until(lambda: _is_refused(owner), seconds=REVOCATION_SECONDS_MAX)


def _uuid(text: str) -> str:
    """The UUID of a TypeID."""
    number = 0
    for letter in text[-26:]:
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    return f"{number:032x}"


async def test_a_suspended_merchant(api: Api) -> None:
    admin, owner = await api.admin(), await api.new_merchant()
    status = f"/admin/v1/merchants/{owner.mch}/status"
    assert (await admin.post(status, {"status": "suspended"})).status == 200
    assert (await owner.get(PAYMENTS)).status == 401
    assert (await admin.post(status, {"status": "active"})).status == 200
    assert (await owner.get(PAYMENTS)).status == 200


async def test_another_merchants_name_does_not_help(api: Api, merchant: Caller) -> None:
    other = await api.new_merchant()
    header = Header(merchant)
    header.mch = other.mch
    is_unauthenticated(await get(api, header.text()))


async def test_addresses(api: Api) -> None:
    admin, owner = await api.admin(), await api.new_merchant()
    for networks, status in (
        (["10.0.0.0/8", "2001:db8::/32"], 403),
        (["127.0.0.1"], 200),
    ):
        body = {"algorithm": "hmac-sha256", "scopes": ["payments.read"], "ip_allow": networks}
        made = (await admin.post(f"/admin/v1/merchants/{owner.mch}/keys", body)).body
        caller = Caller(
            owner.session,
            owner.base,
            mch=owner.mch,
            key=made["id"],
            secret=base64.b64decode(made["secret"]),
        )
        caller.contract, caller.router = owner.contract, owner.router
        for headers in (
            {},
            {"X-Forwarded-For": "10.1.2.3"},
            {"X-Real-IP": "10.1.2.3", "Forwarded": "for=10.1.2.3"},
            {"X-Merchant-Id": owner.mch},
        ):
            answer = await caller.get(PAYMENTS, headers=headers)
            assert answer.status == status
            if status == 403:
                assert answer.body["code"] == "ip_not_allowed"
        assert (await admin.post(f"/admin/v1/keys/{made['id']}/revoke")).status == 200

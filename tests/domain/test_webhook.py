"""Webhooks: signatures against published vectors and a third-party verifier, and the schedule."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
import standardwebhooks
import time_machine
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import webhook

pytestmark = pytest.mark.fast

# The published vector of the Standard Webhooks reference libraries; the private key is the one
# with which the v1a signature shown in the specification was made.
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
PAYLOAD = b'{"test": 2432232314}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
PRIVATE_KEY = (
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)
PUBLIC_KEY = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
OLD, NEW, FOREIGN = (bytes([n]) * 32 for n in (1, 2, 3))


def test_v1_vector() -> None:
    headers = webhook.sign(
        MESSAGE_ID,
        at=AT,
        body=PAYLOAD,
        secrets=[webhook.secret_bytes(SECRET)],
        private_key=None,
    )
    assert headers == {
        "webhook-id": MESSAGE_ID,
        "webhook-timestamp": str(AT),
        "webhook-signature": V1,
    }


def test_v1a_vector() -> None:
    headers = webhook.sign(
        MESSAGE_ID,
        at=AT,
        body=PAYLOAD,
        secrets=[webhook.secret_bytes(SECRET)],
        private_key=webhook.private_key_bytes(PRIVATE_KEY),
    )
    assert headers["webhook-signature"] == f"{V1} {V1A}"


@given(body=st.text().map(lambda text: json.dumps({"x": text}).encode()), at=st.integers(0, 2**33))
def test_v1a_verifies_with_the_public_key_that_is_shown(body: bytes, at: int) -> None:
    headers = webhook.sign("evt_1", at=at, body=body, secrets=[], private_key=OLD)
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    shown = webhook.public_key_text(webhook.public_key_of(OLD))
    key = Ed25519PublicKey.from_public_bytes(webhook.public_key_bytes(shown))
    raw = base64.b64decode(signature, validate=True)
    key.verify(raw, f"evt_1.{at}.".encode() + body)
    with pytest.raises(InvalidSignature):
        key.verify(raw, f"evt_1.{at + 1}.".encode() + body)


def test_third_party_verifier_accepts_both_secrets_during_a_rotation_and_one_afterwards() -> None:
    body = webhook.event_body(**EVENT)  # type: ignore[arg-type]
    at = int(NOW.timestamp())
    during = webhook.sign("evt_1", at=at, body=body, secrets=[NEW, OLD], private_key=FOREIGN)
    after = webhook.sign("evt_1", at=at, body=body, secrets=[NEW], private_key=FOREIGN)
    assert len(during["webhook-signature"].split(" ")) == 3
    with time_machine.travel(NOW, tick=False):
        for secret in (OLD, NEW):
            verifier = standardwebhooks.Webhook(webhook.secret_text(secret))
            assert verifier.verify(body, during) == json.loads(body)
        standardwebhooks.Webhook(webhook.secret_text(NEW)).verify(body, after)
        for secret, headers in ((OLD, after), (FOREIGN, during)):
            with pytest.raises(standardwebhooks.WebhookVerificationError):
                standardwebhooks.Webhook(webhook.secret_text(secret)).verify(body, headers)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(webhook.secret_text(NEW)).verify(body + b" ", during)


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": "evt.1"},
        {"event_id": ""},
        {"event_id": "evt_1\n"},
        {"event_id": "e" * 65},
        {"secrets": []},
        {"secrets": [b""]},
        {"secrets": [b"x" * 23]},
        {"secrets": [b"x" * 65]},
        {"private_key": b"x" * 31},
        {"private_key": b"x" * 64},
    ],
)
def test_nothing_weak_or_ambiguous_is_signed(change: dict[str, object]) -> None:
    given: dict[str, object] = {"event_id": "evt_1", "secrets": [OLD], "private_key": None}
    event_id, rest = (given | change).pop("event_id"), given | change
    del rest["event_id"]
    with pytest.raises(ValueError):
        webhook.sign(event_id, at=AT, body=b"{}", **rest)  # type: ignore[arg-type]


# --- key texts ----------------------------------------------------------------------------------


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=300))
def test_a_secret_of_any_length_signs_as_hmac_does(secret: bytes, body: bytes) -> None:
    headers = webhook.sign("evt_1", at=1, body=body, secrets=[secret], private_key=None)
    code = hmac.digest(secret, b"evt_1.1." + body, "sha256")
    assert headers["webhook-signature"] == "v1," + base64.b64encode(code).decode()


@given(st.binary(min_size=24, max_size=64))
def test_secret_text_and_back(raw: bytes) -> None:
    assert webhook.secret_bytes(webhook.secret_text(raw)) == raw


def test_key_texts() -> None:
    seed = webhook.private_key_bytes(PRIVATE_KEY)
    assert webhook.private_key_text(seed) == PRIVATE_KEY
    assert webhook.public_key_text(webhook.public_key_of(seed)) == PUBLIC_KEY
    assert webhook.private_key_bytes("whsk_" + base64.b64encode(seed).decode()) == seed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_AAAA",
        SECRET.removeprefix("whsec_"),
        SECRET[:-1],
        SECRET + "=",
        SECRET + "\n",
        SECRET[:-4] + "-_-_",
        PUBLIC_KEY,
        "whsec_" + "A" * 88,
    ],
)
def test_bad_secret_texts_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        webhook.secret_bytes(text)
    assert len(text) < 8 or text[6:20] not in str(refusal.value)


@pytest.mark.parametrize(
    "text", [PUBLIC_KEY, SECRET, "whsk_", "whsk_AAAA", PRIVATE_KEY[:-4] + "AA==", PRIVATE_KEY + "A"]
)
def test_bad_private_key_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        webhook.private_key_bytes(text)


# --- body and filter ----------------------------------------------------------------------------

EVENT: dict[str, object] = {
    "event_id": "evt_1",
    "sequence": 7,
    "type": "payment.succeeded",
    "created_at": NOW,
    "object_id": "pay_1",
    "object_version": 3,
    "data": '{"id": "pay_1",\n "subject":"茶 \\u8336", "amount":1}'.encode(),
}


def test_event_body_takes_the_recorded_bytes_over_unchanged() -> None:
    body = webhook.event_body(**EVENT)  # type: ignore[arg-type]
    assert body == (
        b'{"id":"evt_1","object":"event","sequence":7,"type":"payment.succeeded",'
        b'"created_at":"2026-11-21T08:00:00.000Z","object_id":"pay_1","object_version":3,'
        b'"data":' + EVENT["data"] + b"}"  # type: ignore[operator]
    )
    assert json.loads(body)["data"]["subject"] == "茶 茶"


def test_event_body_is_in_utc_and_does_not_guess_a_zone() -> None:
    shanghai = NOW.astimezone(timezone(timedelta(hours=8)))
    same = webhook.event_body(**(EVENT | {"created_at": shanghai}))  # type: ignore[arg-type]
    assert same == webhook.event_body(**EVENT)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        webhook.event_body(**(EVENT | {"created_at": NOW.replace(tzinfo=None)}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("events", "type", "verdict"),
    [
        (["*"], "payment.created", True),
        (["payment.created"], "payment.created", True),
        (["payment.created"], "payment.created_later", False),
        (["payment.*"], "payment.created", True),
        (["payment.*"], "payment.a.b", True),
        (["payment.*"], "payments.created", False),
        (["payment.*"], "payment", False),
        (["payment*"], "payment.created", False),
        (["pay.*"], "payment.created", False),
        (["refund.failed", "payment.*"], "refund.failed", True),
        (["refund.failed", "payment.*"], "refund.succeeded", False),
        ([], "payment.created", False),
    ],
)
def test_filter(events: list[str], type: str, verdict: bool) -> None:
    assert webhook.wants(events, type) is verdict


# --- answers and retries ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "judgement"),
    [
        ((200, 201, 202, 204, 299), "delivered"),
        ((410,), "gone"),
        ((101, 300, 301, 302, 307, 308, 400, 401, 404, 409, 429, 500, 502, 503, 504), "retry"),
        ((None,), "retry"),
    ],
)
def test_judge(statuses: tuple[int | None, ...], judgement: str) -> None:
    assert {webhook.judge(status) for status in statuses} == {judgement}


def test_schedule() -> None:
    waits = []
    for tries in range(len(webhook.RETRY_DELAYS_S)):
        due = webhook.next_retry(tries=tries, now=NOW, jitter=0.0, retry_after_s=None)
        assert due is not None
        waits.append(str(due - NOW))
    assert waits == [
        "0:00:00",
        "0:00:05",
        "0:05:00",
        "0:30:00",
        "2:00:00",
        "5:00:00",
        "10:00:00",
        "14:00:00",
        "20:00:00",
        "1 day, 0:00:00",
    ]
    for tries in (10, 11):
        assert webhook.next_retry(tries=tries, now=NOW, jitter=1.0, retry_after_s=60) is None
    # The schedule ends before the endpoint would be disabled for a single event.
    assert timedelta(seconds=sum(webhook.RETRY_DELAYS_S)) * 1.1 < webhook.DISABLE_AFTER


@given(tries=st.integers(0, 9), jitter=st.floats(0, 1), asked=st.none() | st.integers(0, 10**9))
def test_jitter_lengthens_by_a_tenth_at_most(tries: int, jitter: float, asked: int | None) -> None:
    due = webhook.next_retry(tries=tries, now=NOW, jitter=jitter, retry_after_s=asked)
    assert due is not None
    least = max(webhook.RETRY_DELAYS_S[tries], min(asked or 0, webhook.RETRY_AFTER_S_MAX))
    assert timedelta(seconds=least) <= due - NOW <= timedelta(seconds=least) * 1.1


@pytest.mark.parametrize(
    ("tries", "asked_s", "wait_s"),
    [(1, 120, 120), (2, 120, 300), (1, 0, 5), (1, -5, 5), (1, 10**12, 86400), (9, 3600, 86400)],
)
def test_retry_after_lengthens_and_never_shortens(tries: int, asked_s: int, wait_s: int) -> None:
    due = webhook.next_retry(tries=tries, now=NOW, jitter=0.0, retry_after_s=asked_s)
    assert due == NOW + timedelta(seconds=wait_s)


@pytest.mark.parametrize("jitter", [-0.1, 1.1, float("nan")])
def test_bad_jitter_is_refused(jitter: float) -> None:
    with pytest.raises(ValueError):
        webhook.next_retry(tries=1, now=NOW, jitter=jitter, retry_after_s=None)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("١٢", None),
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("86401", webhook.RETRY_AFTER_S_MAX),
        ("9" * 64, webhook.RETRY_AFTER_S_MAX),
        ("9" * 65, None),
        ("Sat, 21 Nov 2026 08:01:30 GMT", 90),
        ("Saturday, 21-Nov-26 08:01:30 GMT", 90),
        ("Sat Nov 21 08:01:30 2026", 90),
        ("Sat, 21 Nov 2026 07:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", webhook.RETRY_AFTER_S_MAX),
        ("Sat, 99 Nov 2026 08:00:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2300", 0),
    ],
)
def test_retry_after_header(header: str | None, seconds: int | None) -> None:
    assert webhook.retry_after_s(header, now=NOW) == seconds


def test_retry_after_date_is_rounded_up() -> None:
    now = NOW - timedelta(milliseconds=1)
    assert webhook.retry_after_s("Sat, 21 Nov 2026 08:00:00 GMT", now=now) == 1


@given(st.text(max_size=70))
def test_no_header_breaks_the_reader(header: str) -> None:
    seconds = webhook.retry_after_s(header, now=NOW)
    assert seconds is None or 0 <= seconds <= webhook.RETRY_AFTER_S_MAX

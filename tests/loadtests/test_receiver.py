"""The receiver believes what a library of Standard Webhooks believes."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from loadtests.receiver import WINDOW_S, is_genuine

pytestmark = pytest.mark.fast

SECRET = bytes(range(32))
BODY = b'{"id":"evt_1"}'
AT = 1_700_000_000
SIGNED = Webhook(base64.b64encode(SECRET).decode()).sign(
    "evt_1", datetime.fromtimestamp(AT, UTC), BODY.decode()
)
RIGHT = {"event_id": "evt_1", "timestamp": str(AT), "signatures": SIGNED, "body": BODY, "now": AT}


def test_a_right_signature_is_believed_among_others() -> None:
    assert is_genuine(SECRET, **RIGHT)
    assert is_genuine(SECRET, **RIGHT | {"signatures": f"v1a,AAAA {SIGNED}"})


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": "evt_2"},
        {"timestamp": str(AT + 1)},
        {"timestamp": "now"},
        {"body": BODY + b" "},
        {"signatures": ""},
        {"signatures": "v1,AAAA"},
        {"now": AT + WINDOW_S + 1},
        {"now": AT - WINDOW_S - 1},
    ],
)
def test_anything_else_is_not(change: dict) -> None:
    assert not is_genuine(SECRET, **RIGHT | change)


def test_another_secret_is_not() -> None:
    assert not is_genuine(bytes(32), **RIGHT)

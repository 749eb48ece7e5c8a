"""The receiver keeps every webhook whole, and only genuine ones are read from what it kept."""

import asyncio
import base64
import hmac
import json
from pathlib import Path

import pytest

from benchmarks.heard import Heard, read
from benchmarks.load import RunVoid
from benchmarks.receiver import Kept, Receiving, whole_bytes

PATH, KEY = "/mch_1", bytes(range(32))
CREATED_AT = "2026-11-22T12:00:00.000Z"
SECRETS = {PATH: "whsec_" + base64.b64encode(KEY).decode()}


def webhook(number: str, *, key: bytes = KEY) -> bytes:
    """A webhook as it comes over the wire."""
    data = {"merchant_order_no": number}
    event = {"type": "payment.succeeded", "created_at": CREATED_AT, "data": data}
    body = json.dumps(event).encode()
    signature = base64.b64encode(hmac.digest(key, b"evt_1.1700000000." + body, "sha256")).decode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nWebhook-Id: evt_1\r\nWebhook-Timestamp: 1700000000\r\n"
        f"Webhook-Signature: v1a,other v1,{signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.fixture
async def port(tmp_path: Path):
    with (tmp_path / "kept").open("wb") as file:
        kept = Kept(file)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Receiving(kept), "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()


async def test_what_came_is_kept_and_counted(port: int, tmp_path: Path) -> None:
    """Two in one piece, one in pieces, and the question how many there were."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    third = webhook("c")
    writer.write(webhook("a") + webhook("b") + third[:50])
    for _ in range(2):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
    writer.write(third[50:])
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert await reader.readexactly(1) == b"3"
    writer.close()
    came = list(read(tmp_path / "kept", SECRETS))
    assert [each.number for each in came] == ["a", "b", "c"]
    assert came[0] == Heard(came[0].at, "payment.succeeded", "a", CREATED_AT)
    assert came[0].at <= came[1].at <= came[2].at


async def test_a_forged_webhook_makes_all_void(port: int, tmp_path: Path) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(webhook("a", key=bytes(32)) + b"GET / HTTP/1.1\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n1")
    writer.close()
    with pytest.raises(RunVoid, match="signature"):
        list(read(tmp_path / "kept", SECRETS))


@pytest.mark.parametrize("cut", [1, 40, 5])
def test_a_request_is_whole_with_its_last_byte(cut: int) -> None:
    raw = webhook("a")
    assert whole_bytes(raw[:-cut]) is None
    assert whole_bytes(raw) == len(raw) == whole_bytes(raw + raw)

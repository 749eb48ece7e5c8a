"""The bare exchanges are what they are said to be: genuine callbacks are told, with signatures."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import bared, heard, requests
from benchmarks.load import Target
from benchmarks.receiver import Kept, Receiving
from benchmarks.replay import records
from benchmarks.rivals import bare

CALLBACKS = 3


class Counted(Kept):
    """Says when all have come."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.came = asyncio.Event()

    def keep(self, raw: bytes) -> None:
        super().keep(raw)
        if self.count == CALLBACKS:
            self.came.set()


class Running(NamedTuple):
    settings: bared.Settings
    port: int
    kept: Counted
    kept_file: Path
    callbacks: list[tuple[bytes, bytes, bytes]]


@pytest.fixture
async def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(bared, "REQUESTS", CALLBACKS)
    kept_file = tmp_path / "kept"
    with kept_file.open("wb") as opened:
        kept = Counted(opened)
        receiving = await loop.create_server(lambda: Receiving(kept), "127.0.0.1", 0)
        receiver = Target(pids=(), port=receiving.sockets[0].getsockname()[1])
        settings = bared.Settings(tmp_path, receiver)
        program = bare.Bare(json.loads(settings.file.read_text()))
        await program.open()
        serving = await loop.create_server(lambda: bare.Serving(program), "127.0.0.1", 0)
        file = tmp_path / "callbacks"
        requests.write(file, bared._callbacks(settings.key))
        port = serving.sockets[0].getsockname()[1]
        yield Running(settings, port, kept, kept_file, list(records(file, loop=False)))
        serving.close()
        receiving.close()


async def asked(port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw[:50])
    await writer.drain()
    writer.write(raw[50:])
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return head + body


async def test_genuine_callbacks_are_answered_and_told(running: Running) -> None:
    for raw, status, contains in running.callbacks:
        answer = await asked(running.port, raw)
        assert answer.startswith(b"HTTP/1.1 %b " % status) and contains in answer
    async with asyncio.timeout(30):
        await running.kept.came.wait()
    running.kept.write()
    came = list(heard.read(running.kept_file, running.settings.secrets))
    assert len({each.number for each in came}) == CALLBACKS
    assert all(0 <= each.at - float(each.created_at) < 30 for each in came)
    raw = running.kept_file.read_bytes()[heard.MOMENT.size :]
    seed = json.loads(running.settings.file.read_text())["seed"]
    key = Ed25519PrivateKey.from_private_bytes(bared.base64.b64decode(seed)).public_key()
    fields = dict(line.split(b": ", 1) for line in raw.split(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    length = int(fields[b"Content-Length"])
    body = raw.split(b"\r\n\r\n", 1)[1][:length]
    content = b"%b.%b.%b" % (fields[b"webhook-id"], fields[b"webhook-timestamp"], body)
    key.verify(bared.base64.b64decode(fields[b"webhook-signature"].split(b"v1a,")[1]), content)


async def test_a_false_callback_is_refused_and_not_told(running: Running) -> None:
    raw = running.callbacks[0][0].replace(b"total_amount=0.01", b"total_amount=9.01")
    assert raw != running.callbacks[0][0]
    assert (await asked(running.port, raw)).startswith(b"HTTP/1.1 400 ")
    assert running.kept.count == 0


async def test_a_create_is_answered_whatever_it_says(running: Running) -> None:
    for request in bared._creates():
        answer = await asked(running.port, request.raw)
        assert answer.startswith(b"HTTP/1.1 %d " % request.status) and request.contains in answer

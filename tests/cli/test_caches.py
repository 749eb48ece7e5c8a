"""Two gateway processes of one tree: what one has answered, the other knows."""

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.client import Client

CONNECTIONS_MAX = 200


class Line:
    """One connection that is kept, so all of its requests go to one process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def own_port(self) -> int:
        return self._writer.get_extra_info("sockname")[1]

    async def ask(self, who: Client, method: str, target: str, body: Any = None) -> Any:
        """Status and decoded body."""
        raw = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {target} HTTP/1.1",
            "Host: tillgate",
            f"Authorization: {who.authorization(method, target, raw)}",
            f"Content-Length: {len(raw)}",
            *(["Content-Type: application/json"] if raw else []),
        ]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
        async with asyncio.timeout(30):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            return int(head.split()[1]), json.loads(await self._reader.readexactly(length))

    def close(self) -> None:
        self._writer.close()


def process_at(port: int, own_port: int, pids: list[int]) -> int | None:
    """Which process holds the other end of a loopback connection, None while nobody took it."""
    ends = (f"0100007F:{port:04X}", f"0100007F:{own_port:04X}")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if (fields[1], fields[2]) == ends:
            for pid in pids:
                for each in Path(f"/proc/{pid}/fd").iterdir():
                    with contextlib.suppress(FileNotFoundError):
                        if os.readlink(each) == f"socket:[{fields[9]}]":
                            return pid
    return None


@pytest.fixture
async def lines(ready: dict[str, Any]) -> AsyncIterator[list[Line]]:
    """A connection to each of the two gateways."""
    where = urlsplit(ready["base_url"])
    pids = ready["gateway_pids"]
    assert len(pids) == 2 and where.port is not None
    opened: list[Line] = []
    found: dict[int, Line] = {}
    async with aiohttp.ClientSession() as session:
        for _ in range(CONNECTIONS_MAX):
            line = Line(*await asyncio.open_connection("127.0.0.1", where.port))
            opened.append(line)
            await line.ask(merchant(session, ready), "GET", "/v1/balance")
            pid = process_at(where.port, line.own_port, pids)
            assert pid is not None
            found[pid] = line
            if len(found) == len(pids):
                break
    assert len(found) == len(pids), "one process took all connections"
    yield list(found.values())
    for line in opened:
        line.close()


def merchant(session: aiohttp.ClientSession, ready: dict[str, Any]) -> Client:
    secret = base64.b64decode(ready["key_secret"])
    name, key = ready["merchant_id"], ready["key_id"]
    return Client(session, ready["base_url"], mch=name, key=key, secret=secret)


def administrator(session: aiohttp.ClientSession, ready: dict[str, Any]) -> Client:
    secret = base64.b64decode(ready["admin_key_secret"])
    name, key = ready["admin_merchant_id"], ready["admin_key_id"]
    return Client(session, ready["base_url"], mch=name, key=key, secret=secret)


async def test_what_one_process_wrote_is_in_the_other_ones_next_list(
    ready: dict[str, Any], lines: list[Line]
) -> None:
    async with aiohttp.ClientSession() as session:
        who = merchant(session, ready)
        for step in range(40):
            here, there = lines if step % 2 else lines[::-1]
            # Quick and careful in turn, behind a list that lies in the other one's cache.
            for _ in range(2):
                assert (await there.ask(who, "GET", "/v1/payments?limit=1"))[0] == 200
            body = {"amount": 5, "currency": "CNY", "subject": "Tea", "customer": {"id": "c"}}
            if step % 4 < 2:
                del body["customer"]
            order = {"merchant_order_no": f"CACHE-{step}"} | body
            status, _ = await here.ask(who, "POST", "/v1/payments", order)
            assert status == 201
            _, listed = await there.ask(who, "GET", "/v1/payments?limit=1")
            assert listed["data"][0]["merchant_order_no"] == f"CACHE-{step}"


async def test_a_revocation_that_one_process_answered_holds_in_the_other(
    ready: dict[str, Any], lines: list[Line]
) -> None:
    async with aiohttp.ClientSession() as session:
        house = administrator(session, ready)
        _, shop = await lines[0].ask(house, "POST", "/admin/v1/merchants", {"name": "Cache"})
        for step in range(6):
            here, there = lines if step % 2 else lines[::-1]
            path = f"/admin/v1/merchants/{shop['id']}/keys"
            wanted = {"algorithm": "hmac-sha256", "scopes": ["payments.read"]}
            status, key = await here.ask(house, "POST", path, wanted)
            assert status == 201, key
            secret = base64.b64decode(key["secret"])
            who = Client(session, ready["base_url"], mch=shop["id"], key=key["id"], secret=secret)
            assert (await there.ask(who, "GET", "/v1/payments"))[0] == 200
            assert (await here.ask(who, "GET", "/v1/payments"))[0] == 200
            status, _ = await here.ask(house, "POST", f"/admin/v1/keys/{key['id']}/revoke", {})
            assert status == 200
            assert (await there.ask(who, "GET", "/v1/payments"))[0] == 401
            assert (await here.ask(who, "GET", "/v1/payments"))[0] == 401

"""The pretend channels of a measurement: simulators of their own, and a merchant's account at each.

Law: a channel is reached through its codec and its simulator alone, so that whatever channel has
both can be measured. The account's key is the merchant's; everything else of its credentials is
what the simulator answered when it opened the account.
"""

import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from benchmarks import processes
from benchmarks.house import environment
from benchmarks.load import RunVoid, Target
from gateway.channels.codec import AccountView, Codec, PayOrder
from gateway.channels.registry import load_registry
from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.sandbox import keys

# Channels whose orders are taken by one request, and the way to pay that hands out a code.
METHODS = {"alipay": "alipay_qr", "wechat": "wechat_native"}
# The channels whose messages are signed with RSA: what their codecs cost is worth knowing.
SIGNING = METHODS | {"unionpay": "unionpay_qr"}
PRIVATE_KEY = "merchant_private_key"
SUBJECT = "Green tea, 250 g"
EXPIRES_IN = timedelta(hours=2)


class Pretend(NamedTuple):
    """A channel: its codec and an account at its simulator."""

    codec: Codec
    account: AccountView
    method: str

    def order(self, number: str, *, amount: int = 1_288) -> PayOrder:
        """An attempt of now."""
        now = datetime.now(UTC)
        return PayOrder(
            attempt_no=number,
            method=self.method,
            amount=amount,
            currency="CNY",
            subject=SUBJECT,
            created_at=now,
            expires_at=now + EXPIRES_IN,
        )

    def build(self, order: PayOrder) -> HttpRequest:
        """The request that asks for its code. Raises `RunVoid` if nobody is to be asked."""
        built = self.codec.build_pay(self.account, order, datetime.now(UTC))
        if not isinstance(built, HttpRequest):
            raise RunVoid(f"{self.codec.name} asks nobody for {self.method}")
        return built


@contextlib.asynccontextmanager
async def open_simulators(folder: Path, *, core: int) -> AsyncIterator[tuple[str, Target]]:
    """`tillgate sandbox` on a core; its address and process."""
    port = processes.free_port()
    command = [
        *(sys.executable, "-m", "gateway.cli", "sandbox", "--data", str(folder)),
        *("--port", str(port), "--log-level", "warning"),
    ]
    log = folder.with_suffix(".log")
    async with processes.started(command, core=core, environment=environment(), log=log) as process:
        await processes.listening(process, port, log=log)
        yield f"http://127.0.0.1:{port}", Target(pids=(process.pid,), port=port)


async def pretend_channels(
    url: str, *, notify_url: str, methods: Mapping[str, str] = METHODS
) -> list[Pretend]:
    """Every channel of `methods` that has a codec and a simulator here."""
    registry = load_registry()
    async with aiohttp.ClientSession() as session, session.get(url + "/healthz") as answer:
        simulated = set((await answer.json())["channels"])
    found = []
    for name, method in methods.items():
        codec = registry.codec(name)
        if codec is not None and name in simulated:
            found.append(await _opened(url, codec, method, notify_url))
    return found


async def _opened(url: str, codec: Codec, method: str, notify_url: str) -> Pretend:
    pem = keys.new_private_pem()
    public = keys.public_pem(keys.load_private(pem).public_key())
    body = {"channel": codec.name, "merchant_public_key": public}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + "/accounts", json=body) as answer,
    ):
        opened: Mapping[str, Any] = await answer.json()
        if answer.status != 200:
            raise RunVoid(f"no {codec.name} account was opened: {opened}")
    known = codec.credential_names | codec.option_names
    credentials = {name: str(opened[name]) for name in known if name in opened}
    credentials[PRIVATE_KEY] = pem
    if missing := codec.credential_names - credentials.keys():
        raise RunVoid(f"the {codec.name} simulator does not tell {', '.join(sorted(missing))}")
    account = AccountView(
        account_id="acc_benchmark",
        channel=codec.name,
        gateway_url=str(opened["gateway_url"]),
        notify_url=notify_url,
        credentials=credentials,
    )
    return Pretend(codec, account, method)


def raw_of(request: HttpRequest) -> bytes:
    """A codec's request as it goes over the wire."""
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    if request.body:
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + request.body


async def sent(request: HttpRequest) -> HttpResponse:
    """The answer of a simulator."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            request.method, request.url, data=request.body or None, headers=request.headers
        ) as answer,
    ):
        headers = {name.lower(): value for name, value in answer.headers.items()}
        body = await answer.read()
        return HttpResponse(answer.status, headers, body, received_at=datetime.now(UTC))

"""Lives: a load generator that is merchants, payers and their receiver of webhooks at once.

Law: one life is an order that is created with a code, paid at the simulator, and told by the
webhook `payment.succeeded`; it ends when that webhook has come and was answered. Every life must
end, with the amount that was ordered, or it counts as broken. A closed loop of so many lives at
once, or (`rate`) lives begun at fixed moments. Writes one line in the form of replay.lua;
`lag_p99_ms` is the time from the payer's payment to the webhook.

    python -m benchmarks.lives settings.json --at-once 32 --seconds 5 [--rate 50]
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from benchmarks import requests
from benchmarks.requests import Signer

WEBHOOK_S_MAX = 20.0
WRONG_SHOWN_MAX = 3
PATH = "/v1/payments"
AMOUNT_FEN = 1_288


class Lives:
    """The generator. `settings`: base_url, sandbox_url, receiver_port, prefix, key (or null)."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        key = settings["key"]
        self._signer = Signer(key[0], key[1], bytes.fromhex(key[2])) if key else None
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self._session: aiohttp.ClientSession
        self.latencies: list[float] = []
        self.lags: list[float] = []
        self.faults: list[str] = []
        self._count = 0

    async def run(self, *, at_once: int, seconds: float, rate: float | None) -> dict[str, float]:
        """Let lives be lived for `seconds`; what came of it."""
        application = web.Application()
        application.router.add_post("/webhooks", self._take)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._settings["receiver_port"]).start()
        connector = aiohttp.TCPConnector(limit=0)
        try:
            async with aiohttp.ClientSession(connector=connector) as self._session:
                begun = time.perf_counter()
                if rate is None:
                    loops = (self._loop(begun + seconds) for _ in range(at_once))
                    await asyncio.gather(*loops)
                else:
                    await self._paced(begun, seconds=seconds, rate=rate)
                taken = time.perf_counter() - begun
        finally:
            await runner.cleanup()
        for fault in self.faults[:WRONG_SHOWN_MAX]:
            print(fault, file=sys.stderr)
        return {
            "requests": len(self.latencies),
            "seconds": taken,
            "wrong": 0,
            "broken": len(self.faults),
            "p50_ms": _part(self.latencies, 50),
            "p99_ms": _part(self.latencies, 99),
            "lag_p99_ms": _part(self.lags, 99),
        }

    async def _loop(self, end: float) -> None:
        while time.perf_counter() < end:
            await self._live(time.perf_counter())

    async def _paced(self, begun: float, *, seconds: float, rate: float) -> None:
        lives = []
        for number in range(int(rate * seconds)):
            intended = begun + number / rate
            await asyncio.sleep(max(0.0, intended - time.perf_counter()))
            lives.append(asyncio.create_task(self._live(intended)))
        await asyncio.gather(*lives)

    async def _live(self, begun: float) -> None:
        self._count += 1
        number = f"{self._settings['prefix']}{self._count:08d}"
        told: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[number] = told
        try:
            async with asyncio.timeout(WEBHOOK_S_MAX):
                code = await self._order(number)
                await self._pay(code)
                paid = time.perf_counter()
                came = await told
        except Exception as error:
            self.faults.append(f"{number}: {type(error).__name__}: {error}")
            return
        finally:
            del self._waiting[number]
        self.latencies.append(came - begun)
        self.lags.append(max(0.0, came - paid))

    async def _order(self, number: str) -> str:
        body = (
            f'{{"merchant_order_no":"{number}","amount":{AMOUNT_FEN},"currency":"CNY",'
            f'"subject":"Green tea, 250 g","method":"alipay_qr"}}'
        ).encode()
        headers = {"Content-Type": "application/json"}
        if self._signer is not None:
            headers["Authorization"] = requests.authorization(
                self._signer, "POST", PATH, body, nonce=f"lives-{number}"[-64:]
            )
        url = self._settings["base_url"] + PATH
        async with self._session.post(url, data=body, headers=headers) as answer:
            payment = await answer.json()
        right = answer.status == 201 and payment.get("amount") == AMOUNT_FEN
        if not right or payment["status"] != "requires_action":
            raise ValueError(f"{answer.status}: {payment}")
        return str(payment["next_action"]["qr_code"])

    async def _pay(self, code: str) -> None:
        url = self._settings["sandbox_url"] + "/payer/pay"
        async with self._session.post(url, json={"code": code}) as answer:
            played = await answer.json()
        if played.get("result") != "paid":
            raise ValueError(f"the payer could not pay: {played}")

    async def _take(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        if event["type"] == "payment.succeeded":
            told = self._waiting.get(event["data"]["merchant_order_no"])
            if told is not None and not told.done():
                told.set_result(time.perf_counter())
        return web.Response()


def _part(values: list[float], percent: int) -> float:
    """A percentile in milliseconds."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


def main() -> None:
    """Live."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, help="lives a second, begun at fixed moments")
    given = parser.parse_args()
    lives = Lives(json.loads(given.settings.read_text("utf-8")))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(
            lives.run(at_once=given.at_once, seconds=given.seconds, rate=given.rate)
        )
    print("RESULT", json.dumps(result))


if __name__ == "__main__":
    main()

"""The sandbox as a whole: what survives a restart or a kill, who may hold a book, how it ends."""

import asyncio
import shutil
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.sandbox import Sandbox, serve
from gateway.sandbox.book import FILE_NAME, BookHeld
from gateway.sandbox.faults import HELD_CONNECTION_S_MAX

BIZ = {"out_trade_no": "A_1"}


async def test_a_restart_keeps_book_keys_accounts_and_open_notifications(
    data: Path, clock: Any, merchant_key: Any, enrol: Any, receiver: Any, http: Any
) -> None:
    first = Sandbox(data=data, clock=clock)
    await first.start()
    merchant = await enrol(first.url, merchant_key)
    receiver.answer(200, "fail", times=2)
    code = await merchant.code("A_1", notify_url=receiver.url)
    waiting = await merchant.code("A_2", timeout_express="1h")
    async with http.post(f"{first.url}/payer/pay", json={"code": code}) as response:
        assert response.status == 200
    told = merchant.read_notice(await receiver.next())
    await first.run_due()
    await merchant.call("refund", BIZ | {"refund_amount": "1", "out_request_no": "R1"})
    await receiver.next()
    await first.run_due()
    async with http.get(f"{first.url}/book/alipay") as response:
        before = await response.json()
    await first.stop()

    clock.advance(seconds=1)
    second = Sandbox(data=data, clock=clock)
    await second.start()
    again = await enrol(second.url, merchant_key)
    gone = merchant.account.pop("gateway_url"), again.account["gateway_url"]
    assert gone[0] != gone[1] or first.url == second.url
    assert merchant.account.items() <= again.account.items()
    async with http.get(f"{second.url}/book/alipay") as response:
        assert await response.json() == before
    await second.run_due()
    got = [merchant.read_notice(await receiver.next()) for _ in range(2)]
    assert got[0]["notify_id"] == told["notify_id"] and "refund_fee" in got[1]
    assert await again.code("A_2", timeout_express="1h") == waiting
    node = await again.call("query", BIZ)
    assert node["trade_status"] == "TRADE_SUCCESS"
    clock.advance(hours=2)
    await second.run_due()
    assert receiver.got.empty()
    async with http.get(f"{second.url}/book/alipay") as response:
        orders = {o["out_trade_no"]: o["status"] for o in (await response.json())["orders"]}
    assert orders == {"A_1": "paid", "A_2": "closed"}
    await second.stop()


async def test_a_restart_still_closes_what_nobody_looks_at(
    data: Path, clock: Any, merchant_key: Any, enrol: Any
) -> None:
    first = Sandbox(data=data, clock=clock)
    await first.start()
    await (await enrol(first.url, merchant_key)).code("A_1", timeout_express="1h")
    expiry = first.next_due()
    await first.stop()
    second = Sandbox(data=data, clock=clock)
    await second.start()
    assert second.next_due() == expiry is not None
    clock.advance(hours=1)
    assert [ran.what for ran in await second.run_due()] == ["close expired orders"]
    assert second.next_due() is None
    await second.stop()


async def test_what_was_answered_is_in_the_file_already(
    merchant: Any, pay: Any, data: Path, tmp_path: Path, clock: Any, http: Any
) -> None:
    """A copy of the files of the running sandbox is what a kill would leave behind."""
    await pay(await merchant.code("A_1"))
    left = Path(shutil.copytree(data, tmp_path / "left"))
    survivor = Sandbox(data=left, clock=clock)
    await survivor.start()
    async with http.get(f"{survivor.url}/book/alipay") as response:
        orders = (await response.json())["orders"]
    await survivor.stop()
    assert [(o["out_trade_no"], o["status"]) for o in orders] == [("A_1", "paid")]


async def test_one_book_has_one_holder(sandbox: Sandbox, data: Path) -> None:
    with pytest.raises(BookHeld):
        await Sandbox(data=data).start()


async def test_a_taken_port_is_an_error_that_leaves_the_book_free(
    sandbox: Sandbox, tmp_path: Path, seeded: Path
) -> None:
    folder = Path(shutil.copytree(seeded, tmp_path / "other"))
    port = int(sandbox.url.rsplit(":", 1)[1])
    with pytest.raises(OSError, match=str(port)):
        await Sandbox(data=folder).start(port=port)
    retry = Sandbox(data=folder)
    await retry.start()
    await retry.stop()


async def test_the_file_with_the_keys_is_its_owners_only(sandbox: Sandbox, data: Path) -> None:
    assert stat.S_IMODE((data / FILE_NAME).stat().st_mode) == 0o600


async def test_a_new_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    fresh = Sandbox(data=folder)
    await fresh.start()
    await fresh.stop()
    await fresh.stop()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_unscanned_codes_survive_a_close_when_the_switch_is_off(
    data: Path, clock: Any, merchant_key: Any, enrol: Any, http: Any
) -> None:
    lenient = Sandbox(data=data, clock=clock, close_locks_unscanned=False)
    await lenient.start()
    merchant = await enrol(lenient.url, merchant_key)
    code = await merchant.code("A_1")
    assert (await merchant.call("close", BIZ))["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    async with http.post(f"{lenient.url}/payer/pay", json={"code": code}) as response:
        assert (await response.json())["result"] == "paid"
    await lenient.stop()


async def test_a_held_connection_does_not_hold_up_the_end(
    merchant: Any, arm: Any, sandbox: Sandbox
) -> None:
    await arm("query", "timeout")
    waiting = asyncio.create_task(merchant.send(merchant.parameters("query", BIZ)))
    while (await _faults(merchant, sandbox))["faults"]:
        pass
    async with asyncio.timeout(HELD_CONNECTION_S_MAX / 2):
        await sandbox.stop()
        with pytest.raises(aiohttp.ClientError):
            await waiting


async def test_a_moved_clock_is_noticed_without_being_asked(
    merchant: Any, pay: Any, receiver: Any, sandbox: Sandbox, clock: Any
) -> None:
    receiver.answer(200, "fail")
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await receiver.next()
    await sandbox.run_due()
    clock.advance(hours=1)
    sandbox.clock_moved()
    assert merchant.read_notice(await receiver.next())["notify_time"] == "2026-11-22 13:00:00"


async def test_serve_runs_until_it_is_told_to_stop(data: Path, http: Any) -> None:
    stop = asyncio.Event()
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(host="127.0.0.1", port=0, data=data, ready=told.set_result, stop=stop)
    )
    async with http.get(f"{await told}/healthz") as response:
        assert response.status == 200
    stop.set()
    await serving
    with pytest.raises(aiohttp.ClientError):
        await http.get(f"{told.result()}/healthz")


async def _faults(merchant: Any, sandbox: Sandbox) -> dict[str, Any]:
    async with merchant.http.get(f"{sandbox.url}/faults") as response:
        return dict(await response.json())

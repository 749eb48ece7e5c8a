"""`tillgate up`: what it starts, what it tells, and that it leaves nothing behind."""

import json
import os
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from gateway.cli.merchant_client import MerchantClient, Refused
from tests.cli.conftest import FREE_PORTS, OrdinaryUser, Process, Start, processes_of, wait_until

READY_MEMBERS = [
    "base_url",
    "sandbox_url",
    "metrics_url",
    "mode",
    "pid",
    "gateway_pids",
    "merchant_id",
    "key_id",
    "key_secret",
    "admin_key_id",
    "admin_key_secret",
    "admin_merchant_id",
    "notify_secret",
    "database_urls",
]
SAME_AFTER_A_RESTART = [
    name for name in READY_MEMBERS if name.startswith(("merchant", "key", "admin", "notify"))
]


def merchant(ready: dict[str, Any]) -> MerchantClient:
    return MerchantClient(
        ready["base_url"],
        merchant_id=ready["merchant_id"],
        key_id=ready["key_id"],
        key_secret=ready["key_secret"],
    )


def administrator(ready: dict[str, Any]) -> MerchantClient:
    return MerchantClient(
        ready["base_url"],
        merchant_id=ready["admin_merchant_id"],
        key_id=ready["admin_key_id"],
        key_secret=ready["admin_key_secret"],
    )


async def pay(ready: dict[str, Any], number: str) -> dict[str, Any]:
    body = {
        "merchant_order_no": number,
        "amount": 500,
        "currency": "CNY",
        "subject": "Tea",
        "method": "alipay_qr",
    }
    async with merchant(ready) as client:
        return await client.post("/v1/payments", body)


async def test_the_ready_file_is_what_the_contract_says(
    running: Process, ready: dict[str, Any]
) -> None:
    assert list(ready) == READY_MEMBERS
    assert stat.S_IMODE(running.ready_file.stat().st_mode) == 0o600
    assert ready["mode"] == "sandbox"
    assert ready["pid"] == running.popen.pid
    assert all(Path(f"/proc/{pid}").exists() for pid in ready["gateway_pids"])
    assert ready["notify_secret"].startswith("whsec_")


async def test_a_signed_request_is_answered(ready: dict[str, Any]) -> None:
    payment = await pay(ready, "UP-1")
    assert payment["status"] == "requires_action"
    assert payment["next_action"]["type"] == "qr_code"
    async with merchant({**ready, "key_secret": ready["admin_key_secret"]}) as stranger:
        with pytest.raises(Refused) as refused:
            await stranger.get(f"/v1/payments/{payment['id']}")
    assert refused.value.status == 401


async def test_the_administrators_key_works(ready: dict[str, Any]) -> None:
    async with administrator(ready) as client:
        found = await client.get("/admin/v1/merchants")
    assert ready["merchant_id"] in [each["id"] for each in found["data"]]


async def test_the_database_urls_only_read(ready: dict[str, Any]) -> None:
    connection = await asyncpg.connect(ready["database_urls"][0])
    try:
        assert await connection.fetchval("select count(*) from merchants where sandbox") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("update heads set seq = seq + 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select sealed from installation_keys")
    finally:
        await connection.close()


async def test_health_and_metrics_are_served(ready: dict[str, Any]) -> None:
    await pay(ready, "UP-METRICS")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{ready['base_url']}/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        async with session.get(f"{ready['metrics_url']}/readyz") as answer:
            details = await answer.json()
        assert details["ready"] is True
        assert details["processes"] == {
            "serve": len(ready["gateway_pids"]),
            "work": 1,
            "sandbox": 1,
        }

        async def counted() -> bool:
            async with session.get(f"{ready['metrics_url']}/metrics") as answer:
                text = await answer.text()
            return "tillgate_payments_total" in text and 'role="worker"' in text

        while not await counted():
            pass


def test_children_get_no_secret_on_their_command_line(
    running: Process, ready: dict[str, Any]
) -> None:
    for line in processes_of(running.data):
        for name in ("key_secret", "admin_key_secret", "notify_secret"):
            assert ready[name] not in line
        if "gateway.cli serve" in line:
            assert "postgresql://" not in line


def test_the_simulators_get_no_database_and_no_key(running: Process) -> None:
    pids = [line.split()[0] for line in processes_of(running.data) if line.endswith("sandbox ")]
    assert len(pids) == 1
    variables = Path(f"/proc/{pids[0]}/environ").read_bytes()
    assert b"TILLGATE_SANDBOX_PORT" in variables
    assert b"DATABASE" not in variables and b"KEK" not in variables


def test_a_second_up_on_the_same_data_is_refused(running: Process, start: Start) -> None:
    same_file = ("--ready-file", str(running.ready_file))
    second = start("up", *FREE_PORTS, *same_file, data=running.data)
    assert second.popen.wait(60) == 1
    assert f"process {running.popen.pid}" in second.said
    assert "--data" in second.said and "Traceback" not in second.said
    assert running.popen.poll() is None and running.ready_file.exists()


def test_a_taken_port_ends_the_start_with_its_number(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        process = start("up", *FREE_PORTS, "--sandbox-port", number)
        assert process.popen.wait(60) == 1
    assert f"Port {number} is taken" in process.said
    assert "--sandbox-port" in process.said and "--port 0" in process.said
    assert process.leftovers() == []
    assert not (process.data / "postgres").exists()


async def test_a_dead_gateway_is_replaced_and_the_ready_file_says_so(running: Process) -> None:
    dead, alive = running.wait_ready()["gateway_pids"]
    os.kill(dead, signal.SIGKILL)

    def replaced() -> bool:
        pids = running.wait_ready()["gateway_pids"]
        return len(pids) == 2 and dead not in pids and alive in pids

    wait_until(replaced, "another gateway process in the ready file")
    ready = running.wait_ready()
    assert (await pay(ready, "UP-REPLACED"))["status"] == "requires_action"
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{ready['metrics_url']}/readyz") as answer:
                if (await answer.json())["processes"]["serve"] == 2:
                    break


async def test_it_survives_kill_9_and_then_leaves_nothing(start: Start) -> None:
    process = start("up", *FREE_PORTS)
    ready = process.wait_ready()
    payment = await pay(ready, "UP-KILLED")
    places = process.places()
    assert all(each.exists() for each in places)

    process.popen.kill()
    process.popen.wait()
    wait_until(lambda: process.leftovers() == [], "every process ended with its supervisor")

    again = start("up", *FREE_PORTS, data=process.data)
    ready_again = again.wait_ready()
    assert {name: ready_again[name] for name in SAME_AFTER_A_RESTART} == {
        name: ready[name] for name in SAME_AFTER_A_RESTART
    }
    assert not any(each.exists() for each in places)
    async with merchant(ready_again) as client:
        found = await client.get(f"/v1/payments/{payment['id']}")
    assert (found["id"], found["version"]) == (payment["id"], payment["version"])
    repeated = await pay(ready_again, "UP-KILLED")
    assert repeated["id"] == payment["id"]
    code = payment["next_action"]["qr_code"]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{ready_again['sandbox_url']}/payer/pay", json={"code": code}) as answer,
    ):
        assert (await answer.json())["result"] == "paid"

    places = again.places()
    assert again.stop() == 0
    assert again.leftovers() == []
    assert not again.ready_file.exists()
    assert not any(each.exists() for each in places)
    assert not (again.data / "run.json").exists()
    assert again.said == ""


def test_a_signal_during_the_start_ends_it_cleanly(start: Start) -> None:
    process = start("up", *FREE_PORTS)
    wait_until(lambda: (process.data / "postgres" / "postgres.log").exists(), "Postgres begins")
    assert process.stop() == 128 + signal.SIGTERM
    assert process.leftovers() == []
    assert not process.ready_file.exists()
    assert not (process.data / "run.json").exists()


def test_an_ordinary_user_can_run_it(
    start: Start, short_folder: Path, ordinary_user: OrdinaryUser
) -> None:
    home = short_folder / "home"
    home.mkdir(mode=0o700)
    if ordinary_user.user is not None:
        os.chown(home, ordinary_user.user, ordinary_user.user)
    ready_file = home / "ready.json"
    process = start(
        "up",
        *FREE_PORTS,
        "--ready-file",
        str(ready_file),
        data=home / "data",
        program=ordinary_user.program,
        env={**ordinary_user.env, "HOME": str(home)},
    )
    process.ready_file = ready_file
    assert process.wait_ready()["mode"] == "sandbox"
    owner = home.stat().st_uid
    assert {path.stat().st_uid for path in (home / "data").iterdir()} == {owner}
    assert process.stop() == 0
    assert process.leftovers() == []


def test_every_shard_has_a_database(ready: dict[str, Any]) -> None:
    assert len(set(ready["database_urls"])) == 2


def test_json_tells_the_addresses_and_no_secret(running: Process, ready: dict[str, Any]) -> None:
    wait_until(lambda: running.out.read_text().endswith("\n"), "one line of JSON")
    told = json.loads(running.out.read_text())
    assert told["base_url"] == ready["base_url"]
    assert not [name for name in told if "secret" in name]

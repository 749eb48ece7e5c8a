"""Channels that are installed from elsewhere: found, rehearsed, and paying through a real house.

Each package is built and installed by pip into a folder of its own (no network), which then stands
on the module path of real processes.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.conformance.keys import new_merchant_key
from tests.cli.conftest import FREE_PORTS, REPOSITORY, Process, environment, starter, tillgate
from tests.client import Client

PACKAGES = {
    "corner": REPOSITORY / "tests" / "example_channel",
    "qq_wallet": REPOSITORY / "tests" / "qq_wallet",
}
METHODS = {"corner": "corner_qr", "qq_wallet": "qq_wallet_qr"}
CREDENTIALS = {"corner": ("shop_id", "shop_secret"), "qq_wallet": ("mch_id", "api_key")}
BUILT = ("build", "*.egg-info", "__pycache__")
SETTLED_S_MAX = 30.0
POLL_S = 0.05


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which both packages were installed."""
    library = tmp_path_factory.mktemp("library")
    for name, source in PACKAGES.items():
        copy = tmp_path_factory.mktemp("source") / name
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*BUILT))
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
                *("--no-build-isolation", "--target", str(library), str(copy)),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
    return library


def with_packages(library: Path) -> dict[str, str]:
    """An environment in which the packages are installed."""
    return environment(PYTHONPATH=os.pathsep.join((str(REPOSITORY), str(library))))


@pytest.mark.parametrize("channel", PACKAGES)
def test_a_package_is_found_and_keeps_the_contract(channel: str, installed: Path) -> None:
    done = tillgate("conformance", channel, "--json", env=with_packages(installed))
    told = json.loads(done.stdout)
    broken = [each for each in told["findings"] if each["verdict"] == "failed"]
    assert (done.returncode, broken) == (0, []), done.stderr
    assert told["passed"] >= 40
    assert all(each["text"] for each in told["findings"] if each["verdict"] == "not_offered")


def test_a_channel_that_is_not_installed_is_told(installed: Path) -> None:
    done = tillgate("conformance", "corner", env=environment())
    assert done.returncode == 1
    assert "There is no channel corner; there are: alipay" in done.stderr


@pytest.fixture(scope="module")
def house(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """An `up` with both packages installed."""
    for start in starter(tmp_path_factory.mktemp("house")):
        process = start("up", *FREE_PORTS, "--workers", "1", env=with_packages(installed))
        process.wait_ready()
        yield process


@pytest.mark.parametrize("channel", PACKAGES)
async def test_a_package_pays_and_refunds_through_the_api(channel: str, house: Process) -> None:
    ready = house.wait_ready()
    async with aiohttp.ClientSession() as session:
        admin = client_of(session, ready, "admin_")
        merchant = client_of(session, ready, "")
        await register(session, admin, ready, channel)
        order = {
            "merchant_order_no": f"order-{channel}",
            "amount": 1_288,
            "currency": "CNY",
            "subject": "一杯茶",
            "method": METHODS[channel],
        }
        created = await merchant.post("/v1/payments", order)
        assert (created.status, created.body["status"]) == (201, "requires_action"), created
        code = created.body["next_action"]["qr_code"]
        played = await post(session, ready["sandbox_url"] + "/payer/pay", {"code": code})
        assert played["result"] == "paid"
        place = f"/v1/payments/{created.body['id']}"
        paid = await settled(merchant, place, "succeeded")
        assert paid["amount_captured"] == order["amount"]
        refund = {"payment_id": paid["id"], "merchant_refund_no": f"refund-{channel}", "amount": 88}
        asked = await merchant.post("/v1/refunds", refund)
        assert asked.status == 201, asked
        await settled(merchant, f"/v1/refunds/{asked.body['id']}", "succeeded")
        assert (await merchant.get(place)).body["amount_refunded"] == 88
    done = tillgate("verify", "--data", str(house.data))
    assert done.returncode == 0, done.stdout


def client_of(session: aiohttp.ClientSession, ready: dict[str, Any], who: str) -> Client:
    return Client(
        session,
        ready["base_url"],
        mch=ready[f"{who}merchant_id"],
        key=ready[f"{who}key_id"],
        secret=base64.b64decode(ready[f"{who}key_secret"]),
    )


async def post(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Any:
    async with session.post(url, json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def register(
    session: aiohttp.ClientSession, admin: Client, ready: dict[str, Any], channel: str
) -> None:
    """An account of the sandbox's merchant at the simulator that the package brought."""
    public = new_merchant_key().public_pem
    opened = await post(
        session,
        ready["sandbox_url"] + "/accounts",
        {"channel": channel, "merchant_public_key": public},
    )
    made = await admin.post(
        f"/admin/v1/merchants/{ready['merchant_id']}/channel_accounts",
        {
            "account_ref": f"mine-{channel}",
            "channel": channel,
            "methods": [METHODS[channel]],
            "credentials": {name: opened[name] for name in CREDENTIALS[channel]},
        },
    )
    assert made.status == 201, made


async def settled(client: Client, place: str, status: str) -> Any:
    """The object once it has a status."""
    async with asyncio.timeout(SETTLED_S_MAX):
        while True:
            found = (await client.get(place)).body
            if found["status"] == status:
                return found
            await asyncio.sleep(POLL_S)

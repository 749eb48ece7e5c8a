"""The sandbox merchant's accounts: one at every simulator, found again, reopened when lost."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.cli.administration import Administration, open_administration
from gateway.cli.faults import CommandFailed
from gateway.cli.simulated_accounts import PRIVATE_KEY, Simulators, open_accounts
from gateway.config import Settings
from gateway.domain.merchant import Merchant
from gateway.sandbox.server import Sandbox
from tests.conftest import KEK, Installation


@pytest.fixture
async def administration(
    installation: Installation, tmp_path: Path
) -> AsyncIterator[Administration]:
    kek_file = tmp_path / "kek"
    kek_file.touch(mode=0o600)
    kek_file.write_text(base64.b64encode(KEK).decode())
    settings = Settings(
        data=tmp_path,
        database_urls=tuple(installation.dsns),
        sandbox_url="http://127.0.0.1:9",
        public_url="http://127.0.0.1:8080",
        kek_file=kek_file,
    )
    async with open_administration(settings, actor="test") as opened:
        yield opened


@pytest.fixture
async def merchant(administration: Administration) -> Merchant:
    return await administration.create_merchant("Shop", ref="sandbox", sandbox=True)


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    opened = Sandbox(data=tmp_path / "sandbox")
    await opened.start()
    yield opened
    await opened.stop()


async def test_one_at_every_simulator_and_the_same_again(
    administration: Administration, merchant: Merchant, sandbox: Sandbox
) -> None:
    first = await open_accounts(administration, merchant, sandbox_url=sandbox.url)
    async with aiohttp.ClientSession() as session:
        simulated = await Simulators(session, sandbox.url).channels()
    registry = administration.core.registry
    free = {n for n in registry.names if not registry.codec(n).credential_names}
    assert {each.channel for each in first} == (simulated & registry.names) | free
    assert "alipay" in simulated
    for account in first:
        assert set(account.methods) == registry.codec(account.channel).methods
    again = await open_accounts(administration, merchant, sandbox_url=sandbox.url)
    assert [each.id for each in again] == [each.id for each in first]
    keys = {key for each in first if (key := each.credentials.get(PRIVATE_KEY))}
    assert len(keys) == 1


async def test_a_simulator_that_lost_its_book_gets_a_new_account_that_goes_first(
    administration: Administration, merchant: Merchant, sandbox: Sandbox, tmp_path: Path
) -> None:
    first = await open_accounts(administration, merchant, sandbox_url=sandbox.url)
    other = Sandbox(data=tmp_path / "other")
    await other.start()
    try:
        second = await open_accounts(administration, merchant, sandbox_url=other.url)
    finally:
        await other.stop()
    simulated = [each for each in second if each.credentials]
    assert not {each.id for each in simulated} & {each.id for each in first}
    orders = administration.core.orders
    for account in simulated:
        for method in account.methods:
            assert (await orders.account(merchant.id, method)).id == account.id
        before = next(each for each in first if each.channel == account.channel)
        assert before.credentials.get(PRIVATE_KEY) == account.credentials.get(PRIVATE_KEY)


async def test_simulators_that_do_not_answer_are_said(
    administration: Administration, merchant: Merchant
) -> None:
    with pytest.raises(CommandFailed, match="did not say what they are"):
        await open_accounts(administration, merchant, sandbox_url="http://127.0.0.1:9")


async def test_a_channel_that_keeps_our_url_is_told_where_we_are_now() -> None:
    known: dict[str, str] = {}
    heard: list[tuple[str, Any]] = []

    async def endpoints(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer sk_test_1"
        if request.method == "POST":
            form = await request.post()
            assert form["enabled_events[]"] == "*"
            number = request.match_info.get("id", "we_1")
            known[number] = str(form["url"])
            heard.append((request.path, form["url"]))
            return web.json_response({"id": number})
        return web.json_response({"data": [{"id": number} for number in known]})

    application = web.Application()
    path = "/card/v1/webhook_endpoints"
    application.router.add_route("*", path, endpoints)
    application.router.add_route("*", path + "/{id}", endpoints)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as session:
            simulators = Simulators(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
            for port in (8080, 9090):
                await simulators.tell_address("card", "sk_test_1", f"http://127.0.0.1:{port}/c")
    finally:
        await runner.cleanup()
    assert known == {"we_1": "http://127.0.0.1:9090/c"}
    assert [where for where, _ in heard] == [path, f"{path}/we_1"]

"""Whole stories run in a world of real parts; after each the oracle is asked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

import gateway.app.opening
from gateway.channels.registry import Registry, built_in
from tests.conftest import Installation
from tests.oracle import check
from tests.scenarios.trial import Trial, TrialChannel, TrialCodec
from tests.world import World, open_world


@pytest.fixture
async def world(
    installation: Installation, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    """A world on one shard. `tampers` marks stories in which a hand wrote into the database."""
    async with open_world(installation, tmp_path) as opened:
        yield opened
        await opened.core.ongoing.drain(10)
    if request.node.get_closest_marker("tampers") is None:
        await check(installation.dsns)


@pytest.fixture
async def trial(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Trial]:
    """A world with an account at the trial channel (`trial.py`); the oracle is asked afterwards."""
    channel = TrialChannel()
    application = web.Application()
    application.router.add_post("/{operation}", channel.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    channel.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    registry = Registry([*built_in(), TrialCodec()])
    monkeypatch.setattr(gateway.app.opening, "load_registry", lambda: registry)
    try:
        async with open_world(installation, tmp_path) as world:
            opened = Trial(world, channel)
            await opened.open_account()
            yield opened
            await world.core.ongoing.drain(10)
    finally:
        await runner.cleanup()
    await check(installation.dsns)

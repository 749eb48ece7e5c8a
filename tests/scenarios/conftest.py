"""Whole stories run in a world of real parts; after each the oracle is asked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Installation
from tests.oracle import check
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

"""Whole stories run in a world of real parts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Installation
from tests.world import World, open_world


@pytest.fixture
async def world(installation: Installation, tmp_path: Path) -> AsyncIterator[World]:
    """A world on one shard."""
    async with open_world(installation, tmp_path) as opened:
        yield opened

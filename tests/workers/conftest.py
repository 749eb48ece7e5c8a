"""Workers run against real databases and real receivers."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Installation
from tests.webhook_world import WebhookWorld, open_webhook_world


@pytest.fixture
async def world(installation: Installation) -> AsyncIterator[WebhookWorld]:
    """One shard with what webhooks need; no worker runs until a test starts one."""
    async with open_webhook_world(installation) as opened:
        yield opened

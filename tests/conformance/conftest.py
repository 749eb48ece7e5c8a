"""Simulators on a clock that is moved by hand, and the ground of a channel on them."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.channels.codec import Codec
from gateway.conformance import Ground, MovedTime, Profile, open_ground
from gateway.sandbox import Sandbox


@asynccontextmanager
async def ground_of(codec: Codec, profile: Profile) -> AsyncIterator[Ground]:
    """A sandbox of its own, and the ground of one channel on it."""
    clock = MovedTime()
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(data=Path(folder), clock=clock.business)
        await sandbox.start()
        clock.moved = sandbox.run_due
        try:
            async with open_ground(codec, profile, sandbox_url=sandbox.url, clock=clock) as ground:
                yield ground
        finally:
            await sandbox.stop()

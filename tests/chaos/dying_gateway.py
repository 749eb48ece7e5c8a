"""A gateway process that kills itself: `python dying_gateway.py STEP NUMBER`.

Its settings come by environment. It is the real gateway of `gateway.app`. At the given step of
the given commit it sends itself SIGKILL, so nothing of it can clean up:

    before_commit   the batch is decided, what commits it has not been sent
    after_commit    COMMIT was answered, no reply has left
    after_send      the channel was asked and has answered, nothing of it is recorded
"""

import asyncio
import os
import signal
import sys

import uvloop

from gateway.adapters.postgres.commit import Committer
from gateway.adapters.postgres.lane import Lane
from gateway.app import Gateway, open_core
from gateway.center.tell import Teller
from gateway.config import load
from gateway.telemetry.metrics import Metrics


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: str, number: int) -> None:
    """Replace one step by one that dies at its `number`-th passing."""
    left = [number]

    def passed() -> None:
        left[0] -= 1
        if left[0] == 0:
            die()

    if step == "before_commit":
        commit = Lane._committed

        async def dying_commit(self, *args):
            passed()
            return await commit(self, *args)

        Lane._committed = dying_commit
    elif step == "after_commit":
        finish = Committer._finish

        def dying_finish(self, *args):
            passed()
            return finish(self, *args)

        Committer._finish = dying_finish
    else:
        for operation in ("pay", "refund", "close"):
            ask = getattr(Teller, operation)

            async def dying_ask(self, *args, ask=ask):
                answer = await ask(self, *args)
                passed()
                return answer

            setattr(Teller, operation, dying_ask)


async def main(step: str, number: int) -> None:
    settings = load({}, environment=os.environ).settings
    if step != "never":
        arm(step, number)
    async with open_core(settings, Metrics(None, role="gateway")) as core:
        gateway = Gateway(core)
        await gateway.start("127.0.0.1", settings.port)
        print(gateway.server.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))

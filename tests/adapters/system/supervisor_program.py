"""A supervisor to be killed by tests: starts what it is told, reports, and waits.

    cluster DATA VERSION LOOP   an embedded Postgres; rows are inserted one by one
    child SIGNAL                a child that sleeps, which starts one of its own

Prints one line per fact: `pid <n>`, `socket <dsn>`, `row <n>` (after its commit).
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import uvloop

from gateway.adapters.system.children import start_child
from gateway.adapters.system.embedded import EmbeddedPostgres, find_binaries


def say(*words: object) -> None:
    # In one write: we are killed at any moment, and half a line would be no fact.
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


async def keep_writing(data: str, version: str) -> None:
    postgres = EmbeddedPostgres(
        Path(data),
        databases=["till"],
        binaries=find_binaries(int(version)),
        settings={"shared_buffers": "16MB", "max_connections": "20", "fsync": "off"},
    )
    await postgres.start()
    say("pid", postgres.pid)
    say("socket", postgres.dsn("till"))
    connection = await asyncpg.connect(postgres.dsn("till"))
    await connection.execute("create table rows (number bigint primary key)")
    number = 0
    while True:
        number += 1
        await connection.execute("insert into rows values ($1)", number)
        say("row", number)


async def keep_a_child(death_signal: str, *, depth: int = 1) -> None:
    argv = ["sleep", "1000"]
    if depth > 0:
        argv = [sys.executable, __file__, "child", death_signal, str(depth - 1)]
    child = await start_child(argv, name="sleeper", death_signal=signal.Signals[death_signal])
    say("pid", child.pid)
    await child.wait()


async def main() -> None:
    subject, *arguments = sys.argv[1:]
    say("pid", os.getpid())
    if subject == "cluster":
        await keep_writing(arguments[0], arguments[1])
    else:
        depth = int(arguments[1]) if len(arguments) > 1 else 1
        await keep_a_child(arguments[0], depth=depth)


if __name__ == "__main__":
    if sys.argv[-1] == "uvloop":
        uvloop.run(main())
    else:
        asyncio.run(main())

"""`tillgate verify`: its result, its faults and its exit status."""

import json
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from gateway.cli.faults import CommandFailed
from gateway.cli.screen import Screen
from gateway.cli.verify import verified
from tests.conftest import Installation
from tests.world import open_world

ROOT = Path(__file__).parents[2]


def run(dsns: list[str], *more: str) -> subprocess.CompletedProcess[str]:
    urls = [argument for dsn in dsns for argument in ("--database-url", dsn)]
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", "verify", *urls, *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command(installation: Installation, tmp_path: Path) -> None:
    async with open_world(installation, tmp_path) as world:
        await world.paid("one", 500)
        done = run(installation.dsns)
        assert (done.returncode, done.stderr) == (0, "")
        assert "The books hold (1 shards, 2 merchants, 1 payments" in done.stdout
        assert "Audit chain: not sealed yet" in done.stdout
        await world.sql("update accounts set balance = balance + 1 where code = 'pending'")
    done = run(installation.dsns)
    assert done.returncode == 1
    assert "account_balance: shard 0 mch_" in done.stdout
    assert "expected balance 500; balance 501" in done.stdout
    assert "The books do not hold: 2 faults" in done.stdout
    done = run(installation.dsns, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["holds"] is False
    assert {fault["check"] for fault in report["faults"]} == {"account_balance", "trial_balance"}
    assert report["chain"] == "not sealed yet"
    assert report["payments"] == 1


async def test_what_is_no_installation(installation: Installation) -> None:
    name = await installation.cluster.create()
    bare = installation.cluster.postgres.dsn(name)
    try:
        with pytest.raises(CommandFailed, match="holds no directory"):
            await verified([bare], screen=Screen(json=True))
        connection = await asyncpg.connect(installation.dsns[0])
        try:
            await connection.execute("update shard_identity set shard = 3")
        finally:
            await connection.close()
        with pytest.raises(CommandFailed, match="order of the shards"):
            await verified(installation.dsns, screen=Screen(json=True))
    finally:
        await installation.cluster.drop([name])
    done = run(["postgresql://nobody@127.0.0.1:1/x"])
    assert done.returncode == 1
    assert "Traceback" not in done.stderr

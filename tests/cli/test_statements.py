"""`tillgate statement import`: a file from the command line, beside a running system."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import tillgate
from tests.conftest import Installation
from tests.scenarios.test_bank_transfer import CREDENTIALS, Bank, registered, statement
from tests.world import open_world


async def test_a_file_is_imported_once(installation: Installation, tmp_path: Path) -> None:
    async with open_world(installation, tmp_path) as world:
        account_id = await registered(world, "bank_transfer", CREDENTIALS)
        bank = Bank(world, account_id, await world.admin())
        order = await bank.order("B-1")
        file = tmp_path / "statement.csv"
        file.write_bytes(statement(("B1", 10_000, order["next_action"]["reference"])))
        common = ["--database-url", installation.dsns[0], "--kek-file", str(tmp_path / "kek")]

        async def run(*arguments: str) -> Any:
            return await asyncio.to_thread(
                tillgate, "statement", "import", *arguments, *common, "--json"
            )

        done = await run(str(file), "--account", account_id)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["lines"], told["verdicts"]) == (1, {"paid": 1})
        assert (await world.payment(order["id"]))["status"] == "succeeded"
        again = json.loads((await run(str(file), "--account", account_id)).stdout)
        assert again["verdicts"] == {"repeated": 1}
        (actor,) = await world.sql("select actor from journal where type = 'payment.succeeded'")
        assert actor["actor"] == "cli:statement"

        file.write_bytes(file.read_bytes().replace(b"TOTAL,1", b"TOTAL,2"))
        for arguments, status, said in (
            ((str(file), "--account", account_id), 1, "do not come to the totals"),
            ((str(file), "--account", "cac_1"), 2, "no id of the form"),
            ((str(tmp_path / "none"), "--account", account_id), 1, "cannot be read"),
            ((str(file), "--account", "cac_" + account_id[4:-4] + "0000"), 1, "not_found"),
        ):
            refused = await run(*arguments)
            assert refused.returncode == status and said in refused.stderr, refused.stderr

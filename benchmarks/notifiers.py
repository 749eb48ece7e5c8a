"""Notifiers: one process on each core that writes and signs notifications before a round.

Law: every notification has a signature of its own, 250 microseconds of RSA, which is why both cores
share them. They run while nothing is measured, and never beside a round.
"""

import asyncio
import json
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks import processes
from benchmarks.house import APP_ID, CHANNEL, SELLER_ID, House
from benchmarks.load import RunVoid
from benchmarks.processes import Cores
from benchmarks.waiting import SUBJECT, Waiting

DAY = "20261122"


async def write(file: Path, made: Sequence[Waiting], house: House, *, cores: Cores) -> None:
    """The file of a round: a paid notification for each attempt. Raises `RunVoid`."""
    used = list(dict.fromkeys(cores))
    share = -(-len(made) // len(used))
    first = int(secrets.token_hex(6), 16)
    written = await asyncio.gather(
        *(
            _part(
                file.with_name(f"{file.name}-{core}"),
                made[n * share : (n + 1) * share],
                house,
                first_trade=first + n * share,
                core=core,
            )
            for n, core in enumerate(used)
        )
    )
    with file.open("wb") as whole:
        for part in written:
            with part.open("rb") as opened:
                shutil.copyfileobj(opened, whole)
            part.unlink()


async def _part(
    part: Path, made: Sequence[Waiting], house: House, *, first_trade: int, core: int
) -> Path:
    key = house.channel_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    wanted = [
        {
            "path": f"/callbacks/{CHANNEL}/{each.account_id}",
            "app_id": APP_ID,
            "seller_id": SELLER_ID,
            "order_no": each.order_no,
            "trade_no": f"{DAY}{first_trade + n:020d}",
            "amount_fen": each.amount,
            "subject": SUBJECT,
        }
        for n, each in enumerate(made)
    ]
    asked = part.with_name(f"{part.name}.json")
    asked.write_text(json.dumps({"key": key.decode("ascii"), "wanted": wanted}), "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.notification", str(asked), str(part)),
        cwd=processes.ROOT,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        processes.pin(process.pid, core)
        _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asked.unlink()
    if process.returncode:
        raise RunVoid(f"notifications could not be written:\n{err.decode()[-2000:]}")
    return part

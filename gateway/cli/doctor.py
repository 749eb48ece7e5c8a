"""`tillgate doctor`: what would not work here, and why; what is chosen, and where it came from.

Law: it looks, and starts, repairs and reveals nothing. Every finding is a fact with, where it is
bad, a way out. Exit status 0 only if nothing is bad; what is merely absent is no fault.
"""

import os
import platform
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Literal

import aiohttp
import asyncpg
from msgspec import Struct

import fastpath
from gateway.adapters.postgres.connect import open_pool
from gateway.adapters.postgres.readiness import PostgresReadiness
from gateway.adapters.system.postgres_binaries import EmbeddedUnavailable, find_binaries
from gateway.adapters.system.root_keys import RootKeysUnusable, read_root_keys
from gateway.cli import ports
from gateway.cli.databases import with_kek_file
from gateway.cli.faults import FAILED, CommandFailed, expected
from gateway.cli.folder import DataFolder, FolderInUse, Run
from gateway.cli.options import CommonOptions, configuration_of
from gateway.cli.run import Signals, run
from gateway.cli.screen import Screen
from gateway.config import ConfigError, Configuration, Settings, check_live, redacted_url
from gateway.web.limits import require_seam

PYTHON_MIN = (3, 11)
ASK_S_MAX = 3.0

Verdict = Literal["good", "absent", "warning", "bad"]
_MARKS = {
    "good": "[green]✓[/green]",
    "absent": "[dim]-[/dim]",
    "warning": "[yellow]![/yellow]",
    "bad": "[red]✗[/red]",
}


class Finding(Struct, frozen=True):
    """One thing that was looked at. `text` tells what is, and where it is bad the way out."""

    subject: str
    verdict: Verdict
    text: str


def doctor(*, options: CommonOptions = CommonOptions()) -> int:
    """Look at everything that Tillgate needs on this machine, and at the settings in force."""
    screen = Screen(json=options.json)
    return run(lambda signals: _doctor(options, screen, signals), screen=screen)


async def _doctor(options: CommonOptions, screen: Screen, signals: Signals) -> int:
    configuration = configuration_of(options)
    findings = await examine(configuration.settings)
    _show(screen, configuration, findings)
    return FAILED if any(each.verdict == "bad" for each in findings) else 0


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in a fixed order."""
    folder = DataFolder(settings.data)
    running = _running(folder)
    findings = [_python(), _fast_path(), _parser(), _mode(settings)]
    findings += [_data_folder(folder, running), _keys(settings, folder)]
    if not settings.database_urls:
        findings.append(_binaries(folder))
    findings += await _databases(settings, running)
    findings += _ports(settings, running)
    findings.append(await _simulators(settings, running))
    return findings


# --- this machine ---------------------------------------------------------------------------------


def _python() -> Finding:
    text = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.version_info[:2] < PYTHON_MIN:
        return Finding("python", "bad", f"{text}: 3.11 or newer is needed")
    return Finding("python", "good", text)


def _fast_path() -> Finding:
    if fastpath.IMPLEMENTATION == "cython":
        return Finding("fast path", "good", "compiled")
    return Finding(
        "fast path", "warning", "pure Python: install a C compiler and build again for speed"
    )


def _parser() -> Finding:
    try:
        require_seam(pure_parser_allowed=False)
    except RuntimeError as error:
        return Finding("http parser", "bad", str(error))
    return Finding("http parser", "good", "compiled")


def _mode(settings: Settings) -> Finding:
    try:
        check_live(settings, os.environ)
    except ConfigError as error:
        return Finding("mode", "bad", str(error))
    return Finding("mode", "good", settings.mode)


def _binaries(folder: DataFolder) -> Finding:
    try:
        found = find_binaries()
    except EmbeddedUnavailable as error:
        return Finding("embedded postgres", "bad", " ".join(str(error).split()))
    return Finding("embedded postgres", "good", f"Postgres {found.version} in {found.bin}")


# --- the data folder ------------------------------------------------------------------------------


def _running(folder: DataFolder) -> Run | None:
    """The `up` that has the folder now."""
    if not folder.lock_file.exists():
        return None
    try:
        with folder.locked():
            return None
    except FolderInUse:
        return folder.run()
    except OSError:
        return None


def _data_folder(folder: DataFolder, running: Run | None) -> Finding:
    subject = "data folder"
    if running is not None:
        return Finding(subject, "good", f"{folder.root}, in use by process {running.pid}")
    if not folder.root.exists():
        parent = next(each for each in folder.root.parents if each.exists())
        if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
            return Finding(subject, "absent", f"{folder.root} will be made by the first start")
        return Finding(subject, "bad", f"{folder.root} cannot be made: choose another by --data")
    if not folder.root.is_dir() or not os.access(folder.root, os.W_OK | os.X_OK):
        return Finding(subject, "bad", f"{folder.root} cannot be written: choose another by --data")
    return Finding(subject, "good", str(folder.root))


def _keys(settings: Settings, folder: DataFolder) -> Finding:
    subject = "key-encryption key"
    file = with_kek_file(settings, folder).kek_file
    if file is not None and not file.exists() and "TILLGATE_KEK" not in os.environ:
        if settings.kek_file is None and folder.shards is None:
            return Finding(subject, "absent", "the first start of a sandbox makes one")
        return Finding(subject, "bad", f"{file} is missing: without it nothing sealed can be read")
    try:
        keys = read_root_keys(file, os.environ)
    except RootKeysUnusable as error:
        return Finding(subject, "bad", str(error))
    where = "TILLGATE_KEK" if "TILLGATE_KEK" in os.environ else str(file)
    return Finding(subject, "good", f"{len(keys)} in {where}, number {max(keys)} seals")


# --- what runs ------------------------------------------------------------------------------------


async def _databases(settings: Settings, running: Run | None) -> list[Finding]:
    urls = settings.database_urls or (running.database_urls if running is not None else ())
    if not urls:
        return [Finding("databases", "absent", "the embedded Postgres does not run")]
    async with AsyncExitStack() as stack:
        pools: list[asyncpg.Pool] = []
        for number, url in enumerate(urls):
            try:
                pool = await open_pool(url, size_max=1)
            except Exception as error:
                fault = expected(error) or CommandFailed(type(error).__name__)
                text = f"{redacted_url(url)}: {fault}"
                return [Finding(f"database {number}", "bad", text)]
            stack.callback(pool.terminate)
            pools.append(pool)
        found = await PostgresReadiness(pools)()
    return [_database(urls, shard) for shard in found["shards"]]


def _database(urls: Sequence[str], shard: dict[str, Any]) -> Finding:
    number = shard["shard"]
    subject, where = f"database {number}", redacted_url(urls[number])
    if not shard["ready"]:
        way_out = ": run `tillgate migrate`" if "migrat" in str(shard["fault"]) else ""
        return Finding(subject, "bad", f"{where}: not as it must be: {shard['fault']}{way_out}")
    version = shard["server_version"] // 10_000
    return Finding(
        subject,
        "good",
        f"{where}: Postgres {version}; fsync, synchronous_commit and full_page_writes on; the "
        "role owns nothing; migrations current",
    )


def _ports(settings: Settings, running: Run | None) -> list[Finding]:
    if running is not None:
        return []  # they are taken by what is being examined
    wanted = (
        ("port", settings.host, settings.port),
        ("metrics-port", settings.metrics_host, settings.metrics_port),
        ("sandbox-port", "127.0.0.1", settings.sandbox_port),
    )
    return [_port(flag, host, port) for flag, host, port in wanted]


def _port(flag: str, host: str, port: int) -> Finding:
    try:
        ports.listen(host, port, flag=f"--{flag}").close()
    except CommandFailed as fault:
        return Finding(flag, "bad", str(fault))
    return Finding(flag, "good", f"{port} is free" if port else "any free one")


async def _simulators(settings: Settings, running: Run | None) -> Finding:
    subject = "simulators"
    url = settings.sandbox_url or (running.sandbox_url if running is not None else None)
    if url is None:
        return Finding(subject, "absent", "they do not run")
    return await _asked(subject, url, lambda session: session.get(f"{url}/healthz"))


async def _asked(
    subject: str,
    url: str,
    ask: Callable[[aiohttp.ClientSession], Awaitable[aiohttp.ClientResponse]],
) -> Finding:
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S_MAX)) as session:
            answer = await ask(session)
            answer.release()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Finding(subject, "bad", f"{url} does not answer ({type(error).__name__})")
    if answer.status != 200:
        return Finding(subject, "bad", f"{url} answers with status {answer.status}")
    return Finding(subject, "good", url)


# --- showing --------------------------------------------------------------------------------------


def _show(screen: Screen, configuration: Configuration, findings: Sequence[Finding]) -> None:
    screen.give(
        {
            "ok": not any(each.verdict == "bad" for each in findings),
            "findings": findings,
            "settings": [
                {"name": each.name, "value": each.value, "source": each.source}
                for each in configuration.shown()
            ],
        }
    )
    screen.marked(
        [(_MARKS[each.verdict], each.subject, each.text) for each in findings], title="Findings"
    )
    screen.table(
        "setting",
        "value",
        "from",
        rows=[(each.name, each.value, each.source) for each in configuration.shown()],
        title="\nSettings",
    )

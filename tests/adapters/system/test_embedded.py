"""The embedded Postgres: it starts, serves, stops without a trace, and survives every death."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from gateway.adapters.system.children import start_child
from gateway.adapters.system.embedded import (
    DataFolderTaken,
    EmbeddedPostgres,
    EmbeddedUnavailable,
    find_binaries,
)
from gateway.adapters.system.postgres_folder import (
    Holder,
    PostgresFolder,
    process_facts,
    process_ids,
)

VERSIONS = (16, 18)
CRASH_ROWS = 50
SUN_PATH_BYTES = 108


def is_alive(pid: int) -> bool:
    facts = process_facts(pid)
    return facts is not None and facts.alive


def processes_of(postgres: EmbeddedPostgres) -> list[int]:
    return PostgresFolder(postgres.cluster.parent).processes()


def socket_folder(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


async def fetch(postgres: EmbeddedPostgres, statement: str, database: str = "till") -> object:
    connection = await asyncpg.connect(postgres.dsn(database))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def busy_backend(postgres: EmbeddedPostgres) -> AsyncIterator[int]:
    """The process of a connection that computes without end, and so notices nothing by itself."""
    connection = await asyncpg.connect(postgres.dsn("till"))
    endless = asyncio.create_task(
        connection.execute("do $$ begin loop perform 1; end loop; end $$")
    )
    pid = connection.get_server_pid()
    busy = f"select count(*) from pg_stat_activity where pid = {pid} and state = 'active'"
    while await fetch(postgres, busy) == 0:
        assert not endless.done()
    yield pid
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await endless


@pytest.mark.parametrize("version", VERSIONS)
async def test_from_nothing_to_nothing(version: int, make_postgres) -> None:
    postgres = make_postgres(version=version, seeded=False, databases=("till", "till_1"))
    await postgres.start()
    assert postgres.alive
    assert await fetch(postgres, "select count(*) from pg_database where datname ~ '^till'") == 2
    assert (await fetch(postgres, "show server_version", "till_1")).split(".")[0] == str(version)
    pids, sockets = processes_of(postgres), socket_folder(postgres.dsn("till"))
    assert postgres.pid in pids
    assert len(pids) > 1

    await postgres.stop()
    assert not postgres.alive
    assert not any(map(is_alive, pids))
    assert not sockets.exists()
    left = {path.name for path in postgres.cluster.parent.iterdir()}
    assert left <= {"cluster", "postgres.log", "binaries"}
    assert not PostgresFolder(postgres.cluster.parent).pid_file.exists()
    await postgres.stop()  # again: nothing to do


async def test_settings_keep_promises_and_no_port_is_open(tmp_path: Path) -> None:
    async with EmbeddedPostgres(
        tmp_path / "data", databases=["till"], settings={"work_mem": "8MB"}
    ) as postgres:
        expected = {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "wal_level": "logical",
            "max_connections": "200",
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
            "autovacuum_naptime": "10s",
            "autovacuum_analyze_scale_factor": "1",
            "autovacuum_vacuum_insert_threshold": "1000000",
            "default_statistics_target": "10",
            "TimeZone": "UTC",
            "server_encoding": "UTF8",
            "lc_collate": "C",
            "cluster_name": "tillgate",
            "listen_addresses": "",
            "work_mem": "8MB",
        }
        connection = await asyncpg.connect(postgres.dsn("till"))
        for name, value in expected.items():
            if name == "lc_collate":
                statement = "select datcollate from pg_database where datname = 'till'"
            else:
                statement = f"select current_setting('{name}')"
            assert (name, await connection.fetchval(statement)) == (name, value)
        await connection.execute("create role reader login")
        await connection.close()
        other = await asyncpg.connect(postgres.dsn("till", user="reader"))
        assert await other.fetchval("select current_user") == "reader"
        await other.close()


async def test_folders_are_closed_to_others(make_postgres, tmp_path: Path) -> None:
    postgres = make_postgres(tmp_path / "below" / "data", seeded=False)
    await postgres.start()
    for folder in (postgres.cluster.parent, postgres.cluster, socket_folder(postgres.dsn("till"))):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert stat.S_IMODE(postgres.log.stat().st_mode) == 0o600


async def test_a_data_folder_deeper_than_a_socket_path(make_postgres, tmp_path: Path) -> None:
    data = tmp_path / ("d" * 120) / "data"
    assert len(os.fsencode(data)) > SUN_PATH_BYTES
    postgres = make_postgres(data)
    await postgres.start()
    assert await fetch(postgres, "select 1") == 1


async def test_two_clusters_side_by_side(make_postgres, tmp_path: Path) -> None:
    first, second = make_postgres(tmp_path / "1"), make_postgres(tmp_path / "2", version=16)
    await asyncio.gather(first.start(), second.start())
    await first.stop()
    assert await fetch(second, "select 1") == 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_kill_and_start_again_keeps_acknowledged_rows(
    version: int, make_postgres, eventually
) -> None:
    postgres = make_postgres(version=version)
    await postgres.start()
    dsn = postgres.dsn("till")
    await fetch(postgres, "create table kept as select generate_series(1, 1000) as number")
    async with busy_backend(postgres):
        pids = processes_of(postgres)
        postgres.kill()
        assert not postgres.alive
        assert postgres.pid is None
        await eventually(lambda: not any(map(is_alive, pids)), "all of the cluster ended")

    await postgres.start()
    assert postgres.dsn("till") == dsn
    assert await fetch(postgres, "select count(*) from kept") == 1000


@pytest.mark.parametrize(("version", "loop"), [(16, "uvloop"), (18, "asyncio")])
async def test_kill_9_of_the_supervisor(
    version: int, loop: str, make_postgres, start_supervisor, eventually, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    make_postgres(data, version=version)
    supervisor = start_supervisor("cluster", str(data), str(version), loop)
    pids, old_sockets, row = kill_amid_writes(supervisor)

    # Started at once: the old server may still be going, and is waited for.
    postgres = make_postgres(data, version=version)
    await postgres.start()
    await eventually(lambda: not any(map(is_alive, pids)), "the old server ended")
    assert await fetch(postgres, "select count(*) from rows") >= row
    assert not old_sockets.exists()


def kill_amid_writes(supervisor) -> tuple[list[int], Path, int]:
    """Kill it after some rows; its processes, its socket folder and the last row it reported."""
    pids, sockets, row = [], Path(), 0
    for line in supervisor.stdout:
        subject, value = line.split()
        if subject == "pid":
            pids.append(int(value))
        elif subject == "socket":
            sockets = socket_folder(value)
        else:
            row = int(value)
        if row == CRASH_ROWS:
            supervisor.send_signal(signal.SIGKILL)
    children = [pid for pid in process_ids() if (f := process_facts(pid)) and f.parent == pids[1]]
    return pids + children, sockets, row


async def test_a_postmaster_without_its_busy_children(make_postgres) -> None:
    """Only the postmaster is killed; a busy process of it must be gone before recovery."""
    postgres = make_postgres()
    await postgres.start()
    async with busy_backend(postgres) as busy:
        os.kill(postgres.pid, signal.SIGKILL)
        await postgres.wait()
        assert is_alive(busy)
        await postgres.start()
        assert not is_alive(busy)
    assert await fetch(postgres, "select 1") == 1


async def test_a_dying_predecessor_is_waited_for(
    make_postgres, start_supervisor, eventually, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor is dead, but the server has not come to its end yet."""
    data = tmp_path / "data"
    make_postgres(data)
    supervisor = start_supervisor("cluster", str(data), "18", "asyncio")
    pids = [int(supervisor.stdout.readline().split()[1]) for _ in range(2)]
    os.kill(pids[1], signal.SIGSTOP)
    supervisor.kill()
    supervisor.wait()

    looks: list[Holder | None] = []
    look = PostgresFolder.holder

    def counted(folder: PostgresFolder) -> Holder | None:
        looks.append(look(folder))
        return looks[-1]

    monkeypatch.setattr(PostgresFolder, "holder", counted)
    postgres = make_postgres(data)
    start = asyncio.create_task(postgres.start())
    await eventually(lambda: len(looks) > 2 or start.done(), "it was looked for again")
    os.kill(pids[1], signal.SIGCONT)
    await start
    assert looks[0] == Holder(pid=pids[1], dying=True)
    assert not is_alive(pids[1])


async def test_a_taken_folder_is_refused_and_not_disturbed(make_postgres) -> None:
    first, second = make_postgres(), make_postgres()
    await first.start()
    with pytest.raises(DataFolderTaken, match=str(first.pid)) as caught:
        await second.start()
    assert caught.value.pid == first.pid
    await second.stop()
    with pytest.raises(DataFolderTaken):  # not even by itself
        await first.start()
    assert await fetch(first, "select 1") == 1


@pytest.mark.parametrize("content", ["foreign", "", "garbage", "4194000"])
async def test_stale_pid_files(content: str, make_postgres) -> None:
    postgres = make_postgres()
    sleeper = await start_child(["sleep", "1000"], name="foreign")
    if content == "foreign":  # the number was given to another process meanwhile
        lines = [sleeper.pid, postgres.cluster, 1700000000, 5432, "", "*", "1 1", "ready"]
        content = "\n".join(map(str, lines))
    PostgresFolder(postgres.cluster.parent).pid_file.write_text(content)
    await postgres.start()
    assert await fetch(postgres, "select 1") == 1
    assert is_alive(sleeper.pid)
    await sleeper.stop(5)


async def test_an_interrupted_initdb_is_done_again(make_postgres, tmp_path: Path) -> None:
    remains = tmp_path / "data" / "cluster.new" / "base"
    remains.mkdir(parents=True)
    (remains / "half").write_text("half")
    postgres = make_postgres(seeded=False)
    await postgres.start()
    assert not remains.parent.exists()


async def test_a_failing_start_shows_the_log_and_leaves_nothing(make_postgres) -> None:
    postgres = make_postgres(settings={"shared_buffers": "plenty"})
    with pytest.raises(EmbeddedUnavailable, match='invalid value for parameter "shared_buffers"'):
        await postgres.start()
    assert not postgres.alive
    assert not socket_folder(postgres.dsn("till")).exists()


async def test_a_failing_initdb_shows_the_log(make_postgres, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "postgres").symlink_to(find_binaries(18).bin / "postgres")
    (programs / "initdb").write_text("#!/bin/sh\necho disk on fire >&2; exit 4\n")
    (programs / "initdb").chmod(0o755)
    binaries = type(find_binaries(18))(bin=programs, version=18, source="system")
    postgres = EmbeddedPostgres(tmp_path / "data", databases=[], binaries=binaries)
    with pytest.raises(EmbeddedUnavailable, match=r"status 4:\ndisk on fire\n.*--database-url"):
        await postgres.start()
    assert not postgres.cluster.exists()


async def test_a_cancelled_start_leaves_nothing(make_postgres, eventually) -> None:
    postgres = make_postgres()
    start = asyncio.create_task(postgres.start())
    await eventually(lambda: processes_of(postgres) != [], "the postmaster began")
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not postgres.alive
    assert processes_of(postgres) == []
    assert not socket_folder(postgres.dsn("till")).exists()


async def test_the_cluster_decides_the_version(
    make_postgres, tmp_path: Path, small_settings
) -> None:
    made = make_postgres(version=16)
    wrong = EmbeddedPostgres(tmp_path / "data", databases=[], binaries=find_binaries(18))
    with pytest.raises(EmbeddedUnavailable, match=r"of Postgres 16,\n?.*are of 18"):
        await wrong.start()
    async with EmbeddedPostgres(
        tmp_path / "data", databases=["till"], settings=small_settings
    ) as postgres:
        assert (await fetch(postgres, "show server_version")).startswith("16.")
    (made.cluster / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedUnavailable, match="no programs of Postgres 9"):
        await EmbeddedPostgres(tmp_path / "data", databases=[]).start()


async def test_a_foreign_folder_is_not_overwritten(tmp_path: Path) -> None:
    cluster = tmp_path / "data" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "thesis.txt").write_text("years of work")
    with pytest.raises(EmbeddedUnavailable, match="not empty and not a cluster"):
        await EmbeddedPostgres(tmp_path / "data", databases=[]).start()
    assert (cluster / "thesis.txt").read_text() == "years of work"


async def test_wait_tells_that_the_server_ended(make_postgres) -> None:
    postgres = make_postgres()
    with pytest.raises(RuntimeError, match="start"):
        await postgres.wait()
    await postgres.start()
    os.kill(postgres.pid, signal.SIGQUIT)
    assert await postgres.wait() == 0
    assert not postgres.alive
    await postgres.stop()
    assert not socket_folder(postgres.dsn("till")).exists()


def test_one_loop_starts_and_another_stops(tmp_path: Path, small_settings) -> None:
    postgres = EmbeddedPostgres(tmp_path / "data", databases=["till"], settings=small_settings)
    asyncio.run(postgres.start())
    assert asyncio.run(fetch(postgres, "select 1")) == 1
    asyncio.run(postgres.stop())
    assert not postgres.alive


@pytest.mark.parametrize("name", ["", "Till", "till-1", 'a"b', "t" * 64])
def test_database_names_are_plain(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a database name"):
        EmbeddedPostgres(tmp_path, databases=[name])


def test_the_supervisors_settings_are_its_own(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="listen_addresses"):
        EmbeddedPostgres(tmp_path, databases=[], settings={"listen_addresses": "*"})


def test_no_dsn_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="start"):
        EmbeddedPostgres(tmp_path, databases=[]).dsn("till")

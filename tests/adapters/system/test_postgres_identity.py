"""As whom Postgres runs: every way that this user has is taken for real."""

import os
import stat
import sys
from pathlib import Path

import asyncpg
import pytest

from gateway.adapters.system.children import ChildNotStarted, start_child
from gateway.adapters.system.embedded import EmbeddedPostgres, find_binaries
from gateway.adapters.system.launch import UNPRIVILEGED_ID
from gateway.adapters.system.postgres_binaries import EmbeddedUnavailable, PostgresBinaries
from gateway.adapters.system.postgres_folder import PostgresFolder
from gateway.adapters.system.postgres_identity import (
    ROOT_MODE_VARIABLE,
    find_footing,
    give_to,
    postgres_environment,
    stage_wheel,
)

IS_ROOT = os.geteuid() == 0
# Without root there is one way only, and nothing to choose.
ROOT_WAYS = ["namespace", "setuid"] if IS_ROOT else ["auto"]


async def rows_after_one_more(data: Path, settings: dict[str, str]) -> int:
    """Start the cluster in `data`, add a row, and count them."""
    async with EmbeddedPostgres(
        data, databases=["till"], binaries=find_binaries(18), settings=settings
    ) as postgres:
        connection = await asyncpg.connect(postgres.dsn("till"))
        await connection.execute("create table if not exists rows (number int)")
        await connection.execute("insert into rows values (1)")
        count = await connection.fetchval("select count(*) from rows")
        await connection.close()
        postgres.kill()
        await postgres.start()
        return count


def owner_of(data: Path) -> int:
    owners = {path.lstat().st_uid for path in (data / "cluster").rglob("*")}
    assert len(owners) == 1
    return owners.pop()


async def test_the_way_may_change_between_starts(
    open_folder: Path, small_settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_folder / "data"
    for expected, mode in enumerate((*ROOT_WAYS, *ROOT_WAYS), start=1):
        monkeypatch.setenv(ROOT_MODE_VARIABLE, mode)
        assert await rows_after_one_more(data, small_settings) == expected
        assert owner_of(data) == (UNPRIVILEGED_ID if mode == "setuid" else os.geteuid())
        mode_bits = stat.S_IMODE(data.stat().st_mode)
        assert mode_bits == (0o711 if mode == "setuid" else 0o700)


@pytest.mark.parametrize("way", ROOT_WAYS)
async def test_postgres_never_runs_as_root(
    way: str, open_folder: Path, small_settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_MODE_VARIABLE, way)
    data = open_folder / "data"
    async with EmbeddedPostgres(data, databases=[], settings=small_settings) as postgres:
        lines = Path(f"/proc/{postgres.pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        assert int(status["CapEff"], 16) == 0
        real = {"namespace": "0", "setuid": str(UNPRIVILEGED_ID), "auto": str(os.geteuid())}
        assert set(status["Uid"].split()) == {real[way]}
        own = (
            Path("/proc/self/ns/user").readlink()
            == Path(f"/proc/{postgres.pid}/ns/user").readlink()
        )
        assert own == (way != "namespace")


@pytest.mark.parametrize("way", ROOT_WAYS)
async def test_kill_9_of_the_supervisor_ends_it_either_way(
    way: str, open_folder: Path, start_supervisor, eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changing the identity clears the death signal: it must be armed afterwards."""
    monkeypatch.setenv(ROOT_MODE_VARIABLE, way)
    supervisor = start_supervisor("cluster", str(open_folder / "data"), "18", "asyncio")
    folder = PostgresFolder(open_folder / "data")
    for line in supervisor.stdout:
        if line == "row 1\n":
            assert folder.processes() != []
            supervisor.kill()
    await eventually(lambda: folder.processes() == [], "its Postgres ended")
    async with EmbeddedPostgres(folder.root, databases=["till"]) as postgres:  # cleans up after it
        assert postgres.alive


def wheel_below(folder: Path) -> Path:
    """The wheel's programs, at a path that goes through `folder`."""
    programs = find_binaries(18).bin
    package = programs.parents[1]
    folder.mkdir()
    (folder / package.name).symlink_to(package)
    (folder / f"{package.name}.libs").symlink_to(package.with_name(f"{package.name}.libs"))
    return folder / package.name / programs.parent.name / programs.name


async def test_out_of_reach_programs_are_copied(
    open_folder: Path, small_settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs in a closed folder, as in a virtual environment below /root."""
    wheel = wheel_below(open_folder / "closed")
    (open_folder / "closed").chmod(0o700)
    monkeypatch.setenv(ROOT_MODE_VARIABLE, ROOT_WAYS[-1])
    folder = PostgresFolder(open_folder / "data")
    folder.create()
    binaries = PostgresBinaries(bin=wheel, version=18, source="wheel")
    footing = await find_footing(folder, binaries)
    assert (footing.bin == wheel) == (not IS_ROOT)
    for _ in range(2):  # the second time the copy is there
        again = await find_footing(folder, binaries)
        assert again == footing
    async with EmbeddedPostgres(
        folder.root, databases=["till"], binaries=binaries, settings=small_settings
    ) as postgres:
        connection = await asyncpg.connect(postgres.dsn("till"))
        assert await connection.fetchval("show data_checksums") == "on"
        await connection.close()


def test_a_changed_wheel_is_copied_again(tmp_path: Path) -> None:
    original = tmp_path / "wheel" / "package" / "install18" / "bin"
    for part in ("bin", "lib", "share"):
        (original.parent / part).mkdir(parents=True)
    (original / "postgres").write_text("program")
    (original.parent / "lib" / "library.so").symlink_to("library.so.1")
    binaries = PostgresBinaries(bin=original, version=18, source="wheel")
    copy = stage_wheel(binaries, tmp_path / "copy") / "postgres"
    before = copy.stat().st_ino
    assert (stage_wheel(binaries, tmp_path / "copy") / "postgres").stat().st_ino == before
    assert (copy.parents[1] / "lib" / "library.so").is_symlink()
    os.utime(original / "postgres", (1, 1))
    assert stage_wheel(binaries, tmp_path / "copy") / "postgres" == copy
    assert copy.stat().st_mtime == 1


@pytest.mark.root
@pytest.mark.parametrize("mode", ["setuid"])
async def test_a_folder_out_of_reach_is_told(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_MODE_VARIABLE, mode)
    tmp_path.chmod(0o700)
    data = tmp_path / "data"
    with pytest.raises(
        EmbeddedUnavailable, match=r"folder.*Permission denied(?s:.)*--database-url"
    ):
        await EmbeddedPostgres(data, databases=[]).start()
    assert not (data / "binaries").exists()  # a copy would not have helped


@pytest.mark.root
@pytest.mark.parametrize("mode", ["emperor"])
async def test_an_unknown_mode_is_refused(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_MODE_VARIABLE, mode)
    with pytest.raises(EmbeddedUnavailable, match="auto, namespace, setuid"):
        await EmbeddedPostgres(tmp_path / "data", databases=[]).start()


@pytest.mark.root
@pytest.mark.parametrize("refused", ["namespace"])
async def test_where_namespaces_are_forbidden_it_really_becomes_another_user(
    refused: str, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start_unless_refused(argv, **options):
        if options["identity"] == refused:
            raise ChildNotStarted(options["name"], step="identity", reason="EPERM")
        return await start_child(argv, **options)

    monkeypatch.setattr(
        "gateway.adapters.system.postgres_identity.start_child", start_unless_refused
    )
    monkeypatch.delenv(ROOT_MODE_VARIABLE, raising=False)
    folder = PostgresFolder(open_folder / "data")
    folder.create()
    footing = await find_footing(folder, find_binaries(18))
    assert (footing.identity, footing.owner) == ("setuid", UNPRIVILEGED_ID)


@pytest.mark.parametrize("outer", ["namespace"] if IS_ROOT else ["same"])
async def test_as_an_ordinary_user_it_just_runs(outer, make_postgres, tmp_path, eventually) -> None:
    """A whole supervisor that is not root: a user namespace makes us user 65534."""
    program = Path(__file__).with_name("supervisor_program.py")
    output = tmp_path / "out"
    make_postgres(tmp_path / "data")
    with output.open("wb") as out:
        supervisor = await start_child(
            [sys.executable, program, "cluster", tmp_path / "data", "18", "asyncio"],
            name="supervisor",
            identity=outer,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            stdout=out,
        )
    await eventually(lambda: "row 10\n" in output.read_text(), "rows are written")
    supervisor.kill()
    await supervisor.wait()
    folder = PostgresFolder(tmp_path / "data")
    await eventually(lambda: folder.processes() == [], "its Postgres ended")
    postgres = make_postgres(tmp_path / "data")
    await postgres.start()
    connection = await asyncpg.connect(postgres.dsn("till"))
    assert await connection.fetchval("select count(*) from rows") >= 10
    await connection.close()


def test_the_environment_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLGATE_KEY", "secret")
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    environment = postgres_environment()
    assert not {"TILLGATE_KEY", "PGHOST"} & set(environment)
    assert environment["LC_ALL"] == "C"
    assert environment["TZ"] == "UTC"


def test_a_cluster_of_the_right_owner_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    changed = (tmp_path / "file").stat().st_ctime_ns
    give_to(os.geteuid(), tmp_path)
    assert (tmp_path / "file").stat().st_ctime_ns == changed

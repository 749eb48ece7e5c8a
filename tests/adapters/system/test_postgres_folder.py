"""The data folder: records, the log's bound, and processes as /proc tells them."""

import json
import os
from pathlib import Path

import pytest

from gateway.adapters.system import postgres_folder
from gateway.adapters.system.children import start_child
from gateway.adapters.system.postgres_folder import Holder, PostgresFolder, process_facts

UNUSED_PID = 2**30  # above the kernel's highest pid_max


def test_the_root_is_absolute_without_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert PostgresFolder(tmp_path / "link").root == tmp_path.resolve() / "real"


async def test_facts_of_a_process_with_an_unpleasant_name(tmp_path: Path, eventually) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    child = await start_child([program, "1000"], name="odd")
    facts = process_facts(child.pid)
    assert facts is not None
    assert (facts.name, facts.parent, facts.alive) == (program.name, os.getpid(), True)
    os.kill(child.pid, 9)
    await eventually(lambda: not process_facts(child.pid).alive, "a zombie is not alive")
    await child.wait()
    assert process_facts(child.pid) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"socket_folder": 3}'])
def test_a_broken_record_says_nothing(text: str, tmp_path: Path) -> None:
    folder = PostgresFolder(tmp_path)
    folder.record.write_text(text)
    assert folder.recorded_socket_folder() is None


def test_the_record_names_us(tmp_path: Path) -> None:
    folder = PostgresFolder(tmp_path)
    folder.write_record(Path("/tmp/tillgate-1"))
    assert folder.recorded_socket_folder() == Path("/tmp/tillgate-1")
    assert json.loads(folder.record.read_text())["supervisor_pid"] == os.getpid()


async def test_who_dies_is_told_from_who_lives(make_postgres) -> None:
    """A server is dying when its recorded supervisor is gone, or another process by now."""
    postgres = make_postgres()
    folder = PostgresFolder(postgres.cluster.parent)
    assert folder.holder() is None
    await postgres.start()
    assert folder.holder() == Holder(pid=postgres.pid, dying=False)
    record = json.loads(folder.record.read_text())
    for change in ({"supervisor_pid": UNUSED_PID}, {"supervisor_started_ticks": 1}):
        folder.record.write_text(json.dumps({**record, **change}))
        assert folder.holder() == Holder(pid=postgres.pid, dying=True)
    folder.record.unlink()  # started by hand
    assert folder.holder() == Holder(pid=postgres.pid, dying=False)


def test_the_log_is_bounded_and_its_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_folder, "LOG_BYTES_MAX", 10)
    folder = PostgresFolder(tmp_path)
    folder.bound_log()
    descriptor = folder.open_log()
    os.write(descriptor, b"0123456789")
    folder.bound_log()
    assert folder.log.read_text() == "0123456789"
    os.write(descriptor, b"!")
    folder.bound_log()
    os.write(descriptor, b"new")
    os.close(descriptor)
    assert folder.log.read_text() == "new"
    assert folder.log.with_name("postgres.log.1").read_text() == "0123456789!"


def test_the_tail_starts_where_it_is_told(tmp_path: Path) -> None:
    folder = PostgresFolder(tmp_path)
    folder.log.write_text("old\nnew\n")
    assert folder.log_tail(4) == "new"
    assert folder.log_tail(1000) == ""
    folder.log.write_text("x" * 100_000 + "end")
    assert len(folder.log_tail(0)) == postgres_folder.LOG_TAIL_BYTES_MAX
    assert folder.log_tail(0).endswith("end")

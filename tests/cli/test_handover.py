"""The supervisor's socket: descriptors go down, "serving" comes up, from real processes."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from gateway.cli.crew import BIRTHS_MAX, Member, child_environment
from gateway.cli.faults import CommandFailed
from gateway.cli.handover import Handover
from gateway.config import PREFIX
from tests.cli.conftest import environment

CHILD = """
import sys
from pathlib import Path
from gateway.cli.handover import Supervised
supervised = Supervised(Path(sys.argv[1]), role=sys.argv[2])
for sock in supervised.sockets:
    sock.setblocking(True)
    connection, _ = sock.accept()
    connection.sendall(b"hello from the child")
    connection.close()
supervised.serving("http://there")
"""


async def test_a_child_serves_from_the_socket_that_it_was_handed(tmp_path: Path) -> None:
    heard: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    path = tmp_path / "supervisor.sock"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def sockets(role: str) -> list[socket.socket]:
            return [listening] if role == "serve" else []

        handover = Handover(
            path, sockets=sockets, serving=lambda pid, address: heard.put_nowait((pid, address))
        )
        handover.start()
        for role, has_socket in (("serve", True), ("work", False)):
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-c", CHILD, str(path), role, env=environment()
            )
            if has_socket:
                reader, writer = await asyncio.open_connection(*listening.getsockname())
                assert await reader.read() == b"hello from the child"
                writer.close()
            assert await heard.get() == (child.pid, "http://there")
            assert await child.wait() == 0
        await handover.stop()
    assert not path.exists()


async def test_who_never_serves_ends_the_start() -> None:
    """A child that ends at once is tried a few times, and every end is heard."""
    ended: list[int] = []
    broken = child_environment({f"{PREFIX}PORT": "no number"}, opens_secrets=False)
    member = Member("serve", 1, environment=broken, ended=ended.append)
    await member.start(lambda: None)
    with pytest.raises(CommandFailed, match="serve-1 ended with status 2 before it served"):
        await member.wait_serving()
    await member.stop(1.0)
    assert len(set(ended)) == BIRTHS_MAX


def test_a_child_gets_our_settings_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLGATE_REDIS_URL", "redis://elsewhere")
    monkeypatch.setenv("TILLGATE_KEK", "secret")
    given = child_environment({"TILLGATE_PORT": "1"}, opens_secrets=True)
    assert [name for name in given if name.startswith(PREFIX)] == ["TILLGATE_KEK", "TILLGATE_PORT"]
    assert "TILLGATE_KEK" not in child_environment({}, opens_secrets=False)

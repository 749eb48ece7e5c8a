"""Ports: a clash is told with its number, a held port can be bound by a child."""

import socket

import pytest

from gateway.cli import ports
from gateway.cli.ports import PortTaken

HOST = "127.0.0.1"


@pytest.mark.parametrize("take", [ports.listen, ports.hold])
def test_a_taken_port_is_told_with_number_and_way_out(take) -> None:  # type: ignore[no-untyped-def]
    with socket.create_server((HOST, 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {number} is taken.*--metrics-port.*--port 0"):
            take(HOST, number, flag="--metrics-port")


def test_a_held_port_is_kept_for_who_binds_it_next() -> None:
    with ports.hold(HOST, 0, flag="--sandbox-port") as held:
        number = ports.number_of(held)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, number), timeout=5)
        with socket.create_server((HOST, number)):
            socket.create_connection((HOST, number), timeout=5).close()


def test_a_listening_port_takes_connections() -> None:
    with ports.listen(HOST, 0, flag="--port") as listening:
        socket.create_connection((HOST, ports.number_of(listening)), timeout=5).close()


@pytest.mark.parametrize(
    ("host", "scheme", "url"),
    [
        ("127.0.0.1", "http", "http://127.0.0.1:8080"),
        ("0.0.0.0", "https", "https://127.0.0.1:8080"),
        ("::", "http", "http://[::1]:8080"),
        ("pay.example.com", "http", "http://pay.example.com:8080"),
    ],
)
def test_base_urls(host: str, scheme: str, url: str) -> None:
    assert ports.base_url(host, 8080, scheme=scheme) == url

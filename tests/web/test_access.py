"""Whose address counts: the peer's, or what proxies that are trusted say."""

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from gateway.web.access import client_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"), ip_network("fd00::/8"))


def request(remote: str, *forwarded: str) -> Any:
    """What `client_address` reads of a request; one header line for each of `forwarded`."""
    headers = CIMultiDict([("X-Forwarded-For", line) for line in forwarded])
    return SimpleNamespace(remote=remote, headers=headers)


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        # Who is no proxy of ours says what he likes.
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),
        ("203.0.113.9", (), "203.0.113.9"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("::ffff:10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("fd00::1", ("2001:db8::7",), "2001:db8::7"),
        # From right to left, as long as proxies of ours wrote.
        ("10.0.0.1", ("198.51.100.1, 10.0.0.2",), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6, 198.51.100.1, 10.0.0.2",), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6,198.51.100.1",), "198.51.100.1"),
        # What the client made up stands in the line above the proxy's own.
        ("10.0.0.1", ("6.6.6.6", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6", "198.51.100.1, 10.0.0.2"), "198.51.100.1"),
        # What is no address ends the belief.
        ("10.0.0.1", ("unknown",), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1:1234",), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1, evil, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", ("6.6.6.6, " * 500 + "198.51.100.1",), "198.51.100.1"),
        ("", ("198.51.100.1",), ""),
    ],
)
def test_the_address(remote: str, forwarded: tuple[str, ...], address: str) -> None:
    assert client_address(request(remote, *forwarded), TRUSTED) == address


def test_without_proxies_nobody_is_believed() -> None:
    assert client_address(request("10.0.0.1", "198.51.100.1"), ()) == "10.0.0.1"

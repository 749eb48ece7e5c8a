"""The guard against server-side request forgery, address by address."""

from ipaddress import ip_address, ip_network

import pytest

from gateway.adapters.http.addresses import AddressBlocked, AddressGuard, is_global

GLOBAL = [
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.3.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2400:3200::1",
    "2a00:1450:4001:800::200e",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
    "2002:101:101::1",  # 6to4 of 1.1.1.1
    "2606:4700:0:0:0:5efe:101:101",  # ISATAP of 1.1.1.1
]

NOT_GLOBAL = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",  # a cloud's metadata service
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::93.184.216.34",  # IPv4-compatible, long withdrawn
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:0:1.1.1.1",  # IPv4-translated
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1.1.1.1",  # local-use NAT64
    "100::1",
    "2001::1",
    "2001:0:7f00:1::feff:fefe",  # Teredo, its server at 127.0.0.1, its client at 1.1.1.1
    "2001:0:101:101::80ff:fffe",  # Teredo, its server at 1.1.1.1, its client at 127.0.0.1
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:a00:1::1",  # 6to4 of 10.0.0.1
    "2002:a9fe:a9fe::1",  # 6to4 of 169.254.169.254
    "2606:4700::5efe:7f00:1",  # ISATAP of 127.0.0.1
    "2606:4700::200:5efe:a00:1",  # ISATAP of 10.0.0.1
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # a cloud's metadata service
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", GLOBAL)
def test_global(text: str) -> None:
    assert is_global(ip_address(text))
    assert AddressGuard().vet([text], tls=True) == (text,)


@pytest.mark.parametrize("text", NOT_GLOBAL)
def test_not_global(text: str) -> None:
    assert not is_global(ip_address(text))
    with pytest.raises(AddressBlocked):
        AddressGuard().vet([text], tls=True)


@pytest.mark.parametrize("text", GLOBAL)
def test_nothing_goes_to_the_internet_without_tls(text: str) -> None:
    with pytest.raises(AddressBlocked):
        AddressGuard([ip_network("127.0.0.0/8")]).vet([text], tls=False)


@pytest.mark.parametrize("addresses", [["1.1.1.1", "10.0.0.1"], ["10.0.0.1", "1.1.1.1"], []])
def test_all_addresses_of_a_name_must_pass(addresses: list[str]) -> None:
    with pytest.raises(AddressBlocked):
        AddressGuard().vet(addresses, tls=True)


@pytest.mark.parametrize("text", ["", "1.1.1", "0x1.1.1.1", "01.1.1.1", "example.com", "1.1.1.1 "])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressBlocked):
        AddressGuard().vet([text], tls=True)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("text", "admitted"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),  # the same address, written otherwise
        ("::2", False),
        ("128.0.0.1", None),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("64:ff9b::127.0.0.1", False),  # ends at another host's loopback
        ("2002:7f00:1::1", False),
        ("::127.0.0.1", False),
        ("::1%lo", False),
    ],
)
def test_allowance_is_exactly_its_ranges(text: str, admitted: bool | None, tls: bool) -> None:
    guard = AddressGuard([ip_network("127.0.0.0/8"), ip_network("::1/128")])
    expected = tls if admitted is None else admitted
    assert guard.admits(ip_address(text), tls=tls) is expected

"""Which addresses a webhook may connect to: the guard against server-side request forgery.

Law: an address is reachable only if it is global after every form that hides another address
inside it is unwrapped, or lies in a range that the configuration allows. Of a name's addresses
all must pass, else none is used. Names never pass by themselves: only addresses do, and the
socket is opened to exactly the address that was judged.
Sources: IANA IPv4 and IPv6 special-purpose address registries (RFC 6890, of 2026), RFC 4291
(mapped), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 6052 and RFC 8215 (NAT64), RFC 5214 (ISATAP).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

JUDGED_MAX = 4_096  # judgements that are remembered

# Kept here rather than asked of `ipaddress.is_global`, whose answers differ between Python's
# minor versions. IPv6 is closed by default: only 2000::/3 is given out as global unicast.
_NOT_GLOBAL_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Teredo (2001::/32) is refused whole: it hides two addresses and is no longer in service.
_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_GLOBAL_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")
)
_NAT64 = IPv6Network("64:ff9b::/96")
_LOW_32_BITS = 0xFFFFFFFF


class AddressBlocked(OSError):
    """The address, or one of a name's addresses, is not one that webhooks may reach."""


def _is_global_v6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    low = IPv4Address(int(address) & _LOW_32_BITS)
    if address.ipv4_mapped is not None or address in _NAT64:
        return is_global(low)
    if address.sixtofour is not None:
        return is_global(address.sixtofour)
    # ISATAP hides an IPv4 address behind 0000:5efe or 0200:5efe below any prefix.
    if int(address) >> 32 & 0xFDFFFFFF == 0x5EFE and not is_global(low):
        return False
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_GLOBAL_V6)


def is_global(address: IpAddress) -> bool:
    """Whether `address` is an ordinary address of the public internet, whatever it hides."""
    if isinstance(address, IPv6Address):
        return _is_global_v6(address)
    return not any(address in network for network in _NOT_GLOBAL_V4)


class AddressGuard:
    """The rule of one installation: global addresses by TLS, `allow` also without.

    `allow` names ranges that may be reached although they are not global, such as 127.0.0.0/8
    and ::1/128 in sandbox mode; it is empty in live mode.
    """

    __slots__ = ("_admits_text", "_allow")

    def __init__(self, allow: Sequence[IpNetwork] = ()) -> None:
        self._allow = tuple(allow)
        # A judgement depends on the address and these ranges only: it is made once for each.
        self._admits_text = lru_cache(JUDGED_MAX)(self._judge)

    def admits(self, address: IpAddress, *, tls: bool) -> bool:
        """Whether a webhook may connect to `address`."""
        if isinstance(address, IPv6Address):
            if address.scope_id is not None:
                return False
            # A mapped address is the IPv4 address itself; the tunnels' forms are not.
            address = address.ipv4_mapped or address
        if any(address in network for network in self._allow):
            return True
        return tls and is_global(address)

    def vet(self, addresses: Iterable[str], *, tls: bool) -> tuple[str, ...]:
        """`addresses`, if each one may be reached; there must be one. Raises AddressBlocked."""
        vetted = tuple(addresses)
        for text in vetted:
            if not self._admits_text(text, tls):
                raise AddressBlocked("the address is not one that webhooks may reach")
        if not vetted:
            raise AddressBlocked("there is no address")
        return vetted

    def _judge(self, text: str, tls: bool) -> bool:
        try:
            return self.admits(ip_address(text), tls=tls)
        except ValueError:
            return False

"""Which addresses and ports the relay connects to.

Whoever can make an endpoint must not reach what only this host can reach: so
a name is resolved once, each of its addresses is checked, and the connection
goes to one that was checked, never to the name."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Sequence, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# "this" network, private, carriers', loopback, link-local (metadata of
# clouds), protocol assignments, documentation, 6to4 relays, benchmarks,
# multicast, reserved
REFUSED_4 = [ipaddress.IPv4Network(text) for text in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
    "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    # metadata and name servers of a cloud, at an address that looks public
    "168.63.129.16/32",
)]

# what is not global unicast is refused as a whole; within it Teredo and
# other assignments, documentation and 6to4
GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
REFUSED_6 = [ipaddress.IPv6Network(text) for text in (
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)]

LOOPBACK: list[Network] = [ipaddress.IPv4Network("127.0.0.0/8"),
                          ipaddress.IPv6Network("::1/128")]

PORTS = (443, 8443)


def is_loopback(address: Address) -> bool:
    return any(address in network for network in LOOPBACK)


class Forbidden(Exception):
    """No address that may be connected to, or a port that may not."""


@dataclass(frozen=True)
class Guard:
    """What an operator allows beside public addresses."""

    allowed: Sequence[Network] = ()
    ports: Sequence[int] = ()
    loopback: bool = False

    def permits(self, text: str) -> bool:
        """May this address be connected to?"""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False

        mapped = getattr(address, "ipv4_mapped", None)

        if mapped is not None:
            address = mapped

        if any(address in network for network in self.allowed):
            return True

        if self.loopback and is_loopback(address):
            return True

        if isinstance(address, ipaddress.IPv4Address):
            return not any(address in network for network in REFUSED_4)

        return (address in GLOBAL_6
                and not any(address in network for network in REFUSED_6))

    def permits_port(self, port: int) -> bool:
        return self.loopback or port in PORTS or port in self.ports

    def resolve(self, host: str, port: int, plain: bool) -> list[str]:
        """The addresses of a host to connect to.  One that is refused makes
        all of them suspect.  "plain": without TLS, so only this machine."""
        if not self.permits_port(port):
            raise Forbidden

        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]

        if not addresses or not all(map(self.permits, addresses)):
            raise Forbidden

        if plain and not (self.loopback
                          and all(is_loopback(ipaddress.ip_address(address))
                              for address in addresses)):
            raise Forbidden

        return addresses

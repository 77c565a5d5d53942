"""The addresses to which notices may be sent: public ones, and those of networks that the operator allows.

The name of a backend is its tenant's, and so are the addresses that it leads to. Without this check a tenant could have
this installation speak to its own Redis, to a cloud's metadata, or to whatever else listens within its network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from tasks.settings.notices import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Its addresses have an IPv4 address in their last 32 bits, which they lead to."""
RESERVED = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("168.63.129.16/32"))
"""Networks that Python takes for public ones: of protocols, some of it in some versions, with Oracle's metadata in it;
and Azure's, whose address is a public one by its number. That of other clouds is link-local, shared or unique local."""


REFUSED = "no notice is sent there"
"""Part of each message of AddressRefused: an error of several addresses quotes those of all."""


class AddressRefused(OSError):
    """An address to which no notice is sent."""


def require_allowed(host: str, *, is_encrypted: bool, networks: Sequence[Network]) -> None:
    """Raise AddressRefused unless a notice may be sent to this address, that of a socket.

    `networks`: allowed by the operator, also without TLS.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    meant = _meant(address)
    if any(each in network for each in (address, meant) for network in networks):
        return
    if not is_public(meant):
        raise AddressRefused(f"{address} is in no network of SWITCHBOARD_NOTICE_NETWORKS and not public; {REFUSED}")
    if not is_encrypted:
        raise AddressRefused(f"{address} is public and the address not https://; {REFUSED}")


def is_public(address: Address) -> bool:
    """Return whether an address is one of the internet: not of this host, a private network, a group, or metadata."""
    if address.is_multicast or address.is_reserved or any(address in network for network in RESERVED):
        return False
    return address.is_global


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address

"""Which addresses we may connect to on a stranger's word: public ones, and the networks that an operator named."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# IPv6 has public hosts here only (RFC 4291 §2.4). That leaves out the mapped (::ffff:0:0/96) and translated
# (64:ff9b::/96) forms, which would reach an IPv4 host by another name, and the unique-local addresses at which clouds
# keep their metadata services.
_UNICAST = IPv6Network("2000::/3")
# What `is_global` has called public in one Python or another: protocol assignments (a cloud's metadata service among
# them), tunnels that carry an IPv4 address within, documentation; and Azure's own agent, public to the registries.
_NOT_OURS: tuple[Network, ...] = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("168.63.129.16/32"),
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
)


def is_reachable(text: str, *, allowed: Collection[Network] = (), loopback: bool = False) -> bool:
    """Tell whether the address ``text`` is public, in an ``allowed`` network, or this machine where that is meant."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if any(address in network for network in allowed):
        return True
    if loopback and address.is_loopback and not getattr(address, "ipv4_mapped", None):
        return True
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    # `is_global` is false for private, shared (100.64/10), link-local, documentation, benchmarking and reserved space.
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv6Address) and (address not in _UNICAST or address.scope_id is not None):
        return False
    return not any(address in network for network in _NOT_OURS)


def read_networks(texts: Collection[str]) -> tuple[Network, ...]:
    """Return networks written as ``10.1.0.0/16``; raises `ValueError`."""
    return tuple(ip_network(text) for text in texts)

"""From where a client that keeps a secret may prove itself: a stolen secret is then worth nothing elsewhere.

Asked wherever a client authenticates, before its proof is looked at, so that the answer tells nothing of the proof.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from idp.addresses import Network, read_networks
from idp.oidc.clients import Client

# An IPv6 client is known by its /64 (`web.address_unit`): within one, hosts take addresses as they like.
_NARROWEST_V6 = 64
_MOST = 50


def is_allowed_from(client: Client, unit: str) -> bool:
    """Tell whether a client may prove itself from an address, as `ProtocolRequest.address` has it."""
    return not client.allowed_networks or _is_in(unit, client.allowed_networks)


def network_faults(metadata: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a client's `allowed_networks`."""
    texts = metadata.get("allowed_networks") or ()
    if not texts:
        return []
    if metadata.get("token_endpoint_auth_method") == "none":
        return ["allowed_networks: a client that proves nothing is wherever its visitors are"]
    if len(texts) > _MOST:
        return [f"allowed_networks: at most {_MOST}"]
    faults = []
    for text in texts:
        try:
            (network,) = read_networks([text])
        except ValueError:
            faults.append(f"allowed_networks: {text[:60]!r} is no network such as 192.0.2.0/24 or 2001:db8::/48")
            continue
        if network.version == 6 and network.prefixlen > _NARROWEST_V6:
            faults.append(f"allowed_networks: {text!r} is narrower than /64, by which IPv6 clients are known")
    return faults


@lru_cache(maxsize=1024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return read_networks(texts)


def _is_in(unit: str, texts: tuple[str, ...]) -> bool:
    try:
        here = ip_network(unit)
    except ValueError:
        # An address that nobody could read is in no list.
        return False
    return any(
        here.subnet_of(network)  # type: ignore[arg-type]
        for network in _networks(texts)
        if network.version == here.version
    )

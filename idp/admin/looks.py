"""What administrators may look at or try before they act, as one table under every surface: nothing of it is kept.

With `ACTS` it is the whole of what can be done to clients; `tests/admin/test_parity.py` walks both tables on every
surface.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from idp.admin.actors import Actor
from idp.admin.client_acts import Nothing, get_client
from idp.admin.key_fetch import try_jwks_uri
from idp.admin.persona import preview_tokens
from idp.admin.redirect_lines import judge_lines
from idp.admin.schema import Strict, Url, read_body
from idp.oidc.registration import KINDS


class KeysAsked(Strict):
    """An address at which a client's public keys may be."""

    jwks_uri: Url


class UrisAsked(Strict):
    """Redirect URIs to be judged."""

    kind: Literal[tuple(KINDS)] = "website"  # type: ignore[valid-type]
    # Anything that can be typed: what is wrong with it is the answer.
    uris: list[Annotated[str, Field(max_length=10_000)]] = Field(max_length=100)


@dataclass(frozen=True, slots=True)
class Look:
    """One look: the permission that it needs, what must be said, and what it finds, as plain values."""

    permission: str
    given: type[Strict]
    find: Callable[[str, Any], Any]


def _preview(client_id: str, _given: Nothing) -> Any:
    return preview_tokens(get_client(client_id))


def _try_keys(_target: str, given: KeysAsked) -> Any:
    return asdict(try_jwks_uri(given.jwks_uri))


def _judge(_target: str, given: UrisAsked) -> Any:
    return [asdict(one) for one in judge_lines(given.uris, kind=given.kind)]


LOOKS: Mapping[str, Look] = {
    "client.preview": Look("clients.read", Nothing, _preview),
    "client.try-keys": Look("clients.write", KeysAsked, _try_keys),
    "client.judge-redirects": Look("clients.read", UrisAsked, _judge),
}


def look(actor: Actor, name: str, target: str = "", given: Mapping[str, Any] | None = None) -> Any:
    """Return what a look finds; raises `Forbidden`, `Invalid` or `NotFound`."""
    asked = LOOKS[name]
    actor.require(asked.permission)
    return asked.find(target, read_body(asked.given, given or {}))

"""What administrators may look at or try before they act, as one table under every surface: nothing is changed by it.

With `ACTS` it is the whole of what can be done to clients and seen of the trail; `tests/admin/test_parity.py` walks
both tables on every surface.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from idp import clock
from idp.admin.activity import describe_activity, read_activity
from idp.admin.actors import Actor
from idp.admin.client_acts import Nothing, get_client, get_row
from idp.admin.key_fetch import try_jwks_uri
from idp.admin.persona import preview_tokens
from idp.admin.redirect_lines import judge_lines
from idp.admin.schema import Strict, Url, read_body
from idp.admin.trail_looks import PersonAsked, TrailAsked, name_person, search_trail, view_chain
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
    find: Callable[[Actor, str, Any], Any]


def _preview(_actor: Actor, client_id: str, _given: Nothing) -> Any:
    return preview_tokens(get_client(client_id))


def _try_keys(_actor: Actor, _target: str, given: KeysAsked) -> Any:
    return asdict(try_jwks_uri(given.jwks_uri))


def _judge(_actor: Actor, _target: str, given: UrisAsked) -> Any:
    return [asdict(one) for one in judge_lines(given.uris, kind=given.kind)]


def _activity(_actor: Actor, client_id: str, _given: Nothing) -> Any:
    return describe_activity(read_activity(get_row(client_id).client_id, clock.now()))


LOOKS: Mapping[str, Look] = {
    "client.preview": Look("clients.read", Nothing, _preview),
    "client.activity": Look("clients.read", Nothing, _activity),
    "client.try-keys": Look("clients.write", KeysAsked, _try_keys),
    "client.judge-redirects": Look("clients.read", UrisAsked, _judge),
    "trail.search": Look("audit.read", TrailAsked, lambda actor, _target, given: search_trail(actor, given)),
    "trail.person": Look("audit.read", PersonAsked, lambda actor, _target, given: name_person(actor, given)),
    "trail.chain": Look("audit.read", Nothing, lambda actor, _target, given: view_chain(actor, given)),
}


def look(actor: Actor, name: str, target: str = "", given: Mapping[str, Any] | None = None) -> Any:
    """Return what a look finds; raises `Forbidden`, `Invalid`, `NotFound`, `Conflict` or `TooOften`."""
    asked = LOOKS[name]
    actor.require(asked.permission)
    return asked.find(actor, target, read_body(asked.given, given or {}))

"""A client's public keys: those of its registration, or those at its `jwks_uri`, kept in memory for a while.

Fetching is what a stranger can make us do by sending a token with a made-up `kid`, so it is rationed: one fetch per URI
at a time, none sooner than a minute after the last, few at once over all, and a URI that does not answer is left alone
while the keys that were fetched before still serve.
"""

import json
import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from idp import db
from idp.fetch import FetchFault, fetch
from idp.oidc.clients import Client
from idp.oidc.jose.foreign import (
    BadKeys,
    BadSignature,
    PublicKey,
    Signed,
    UnknownKey,
    check_signature,
    read_public_keys,
)
from idp.settings import settings

# A new `kid` is looked for at most this often (AC-157); also the least that a `Cache-Control` of theirs can ask for.
_NOT_SOONER = timedelta(seconds=60)
_TIMEOUT = 3.0
_ACCEPT = "application/jwk-set+json, application/json"
# How long a request waits for somebody else's fetch of the same keys, and for one of the few places to fetch in.
_WAIT = 1.0
_places = threading.BoundedSemaphore(4)
_MOST_KEPT = 5_000


@dataclass
class _Kept:
    """What is known of one `jwks_uri`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: tuple[PublicKey, ...] | None = None
    fetched_at: datetime | None = None
    tried_at: datetime | None = None
    fresh_until: datetime | None = None

    def is_fresh(self, now: datetime) -> bool:
        return self.keys is not None and self.fresh_until is not None and now < self.fresh_until

    def may_be_fetched(self, now: datetime) -> bool:
        return self.tried_at is None or now - self.tried_at >= _NOT_SOONER

    def usable(self, now: datetime) -> tuple[PublicKey, ...]:
        """Return the keys that still serve, or raise `BadKeys`."""
        if self.keys is None or self.fetched_at is None or now - self.fetched_at > settings.fetch.stale_keys_for:
            raise BadKeys("jwks_uri does not answer with keys")
        return self.keys


_registered: dict[str, tuple[Mapping[str, Any], tuple[PublicKey, ...]]] = {}
_fetched: dict[str, _Kept] = {}
_guard = threading.Lock()


def keys_of(client: Client, *, now: datetime) -> tuple[PublicKey, ...]:
    """Return the client's keys, or raise `BadKeys`.

    Call it before anything is written: a fetch ends the transaction, so that none is held meanwhile.
    """
    if client.jwks_uri is None:
        return _registered_keys(client)
    kept = _kept(client.jwks_uri)
    if not kept.is_fresh(now):
        _refresh(client.jwks_uri, kept, now)
    return kept.usable(now)


def check_client_signature(client: Client, signed: Signed, *, algorithms: Collection[str], now: datetime) -> None:
    """Raise `BadSignature` unless the client signed it with one of ``algorithms``; finds a key that is new meanwhile.

    Call it before anything is written, as `keys_of`.
    """
    try:
        keys = keys_of(client, now=now)
        try:
            check_signature(signed, keys, algorithms=algorithms)
        except UnknownKey:
            if client.jwks_uri is None or not _refresh(client.jwks_uri, _kept(client.jwks_uri), now):
                raise
            check_signature(signed, keys_of(client, now=now), algorithms=algorithms)
    except BadKeys as fault:
        raise BadSignature(f"no keys: {fault}") from fault


def forget_client_keys() -> None:
    """Make this process read and fetch every client's keys anew."""
    with _guard:
        _registered.clear()
        _fetched.clear()


def _registered_keys(client: Client) -> tuple[PublicKey, ...]:
    """Return the keys of the registration, built once for as long as it stays the same."""
    if client.jwks is None:
        raise BadKeys("none are registered")
    known = _registered.get(client.client_id)
    if known is not None and (known[0] is client.jwks or known[0] == client.jwks):
        return known[1]
    keys = read_public_keys(client.jwks)
    with _guard:
        _make_room(_registered)
        _registered[client.client_id] = (client.jwks, keys)
    return keys


def _kept(uri: str) -> _Kept:
    with _guard:
        if uri not in _fetched:
            _make_room(_fetched)
            _fetched[uri] = _Kept()
        return _fetched[uri]


def _make_room(cache: dict[str, Any]) -> None:
    if len(cache) >= _MOST_KEPT:
        cache.clear()


def _refresh(uri: str, kept: _Kept, now: datetime) -> bool:
    """Fetch the keys unless that was tried a moment ago; tell whether they are newer than they were."""
    before = kept.fetched_at
    if not kept.may_be_fetched(now):
        return False
    # Whoever has keys that serve does not wait for another's fetch; whoever has none waits a little.
    if not kept.lock.acquire(timeout=0 if kept.keys is not None else _WAIT):
        return False
    try:
        if kept.may_be_fetched(now) and _places.acquire(timeout=_WAIT):
            try:
                _fetch(uri, kept, now)
            finally:
                _places.release()
    finally:
        kept.lock.release()
    return kept.fetched_at != before


def _fetch(uri: str, kept: _Kept, now: datetime) -> None:
    db.release()
    try:
        answer = fetch(uri, timeout=_TIMEOUT, accept=_ACCEPT)
        if answer.status != 200:
            return
        keys = read_public_keys(json.loads(answer.body))
    except (FetchFault, BadKeys, ValueError, RecursionError):
        # What served before goes on serving, and nothing is asked for a minute.
        return
    finally:
        # Only now: whoever came meanwhile waits for this fetch instead of taking it for a failed one.
        kept.tried_at = now
    kept.keys, kept.fetched_at = keys, now
    kept.fresh_until = now + _lifetime(answer.headers.get("cache-control", ""))


def _lifetime(cache_control: str) -> timedelta:
    """Return how long an answer is fresh: as long as the setting says, shorter when they say so, never very short."""
    asked = settings.fetch.keys_for
    if re.search(r"\bno-(?:store|cache)\b", cache_control, re.IGNORECASE):
        asked = _NOT_SOONER
    elif found := re.search(r"\bmax-age=(\d{1,9})\b", cache_control, re.IGNORECASE):
        asked = min(asked, timedelta(seconds=int(found[1])))
    return max(asked, _NOT_SOONER)

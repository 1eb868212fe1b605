"""Short-lived state: what it is to put, take and count something that expires (R11).

Two implementations keep it, `state_redis` and `state_sql`; `tests/root/test_state_contract.py` holds both to the
same promises. Expiry is judged at use, by our clock; a store that cannot be reached raises `StateDown`, and nobody
gets in by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar, cast

from pydantic import TypeAdapter

from idp import clock
from idp.per_app import Of

T = TypeVar("T")
B = TypeVar("B")
# One round trip each; a hundred rivals on one key still all get their turn.
_CHANGE_ATTEMPTS = 500


class StateDown(Exception):
    """The store of short-lived state did not answer; the request must fail closed."""


@dataclass(frozen=True, slots=True)
class Space(Generic[T]):
    """A named kind of entry and the frozen dataclass that it holds.

    ``once``: what an entry allows is allowed once. A store that comes back with less than it had may have forgotten
    that it was used; such an entry lapses with the server that it was written on (RC-06).
    """

    name: str
    type: type[T]
    once: bool = False

    def encode(self, value: T) -> str:
        """Return ``value`` as JSON."""
        return _adapter(self.type).serializer.to_json(value).decode()

    def decode(self, text: str) -> T:
        """Return the value that `encode` wrote."""
        value: T = _adapter(self.type).validator.validate_json(text)
        return value


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store holds under one key: JSON text and the epoch second at which it ends.

    ``lapsed``: it is good once, and was written on a server that is no more.
    """

    text: str
    expires: float
    once: bool = False
    lapsed: bool = False


class Store(Protocol):
    """The primitive acts, each atomic; keys are ``<space>:<key>``, ``now`` and ``expires`` are epoch seconds."""

    def put(self, key: str, entry: Stored, now: float) -> None: ...
    def put_asking(self, key: str, entry: Stored, beside: str, now: float) -> Stored | None: ...
    def get(self, keys: tuple[str, ...], now: float) -> tuple[Stored | None, ...]: ...
    def take(self, key: str, now: float) -> Stored | None: ...
    def take_asking(self, key: str, beside: str, now: float) -> tuple[Stored | None, Stored | None]: ...
    def add(self, key: str, entry: Stored, now: float) -> bool: ...
    def swap(self, key: str, old: Stored, new: Stored, now: float) -> bool: ...
    def delete(self, key: str) -> None: ...
    def bump(self, key: str, expires: float, now: float) -> int: ...
    def count(self, key: str, now: float) -> int: ...
    def purge(self, now: float) -> int: ...
    def empty(self) -> None: ...
    def ping(self) -> None: ...


class State:
    """Typed access to a `Store`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def put(self, space: Space[T], key: str, value: T, *, ttl: timedelta) -> None:
        """Keep ``value`` for ``ttl``, replacing what was there."""
        now = _epoch()
        self.store.put(_key(space, key), _stored(space, value, now + ttl.total_seconds()), now)

    def put_asking(
        self, space: Space[T], key: str, value: T, *, ttl: timedelta, beside: Space[B], beside_key: str
    ) -> B | None:
        """Keep ``value``, and for the price of the same round trip read another entry as it is afterwards."""
        now = _epoch()
        stored = _stored(space, value, now + ttl.total_seconds())
        return _value(beside, self.store.put_asking(_key(space, key), stored, _key(beside, beside_key), now))

    def get(self, space: Space[T], key: str, *, even_lapsed: bool = False) -> T | None:
        """Return the living value, or ``None``."""
        (stored,) = self.store.get((_key(space, key),), _epoch())
        return _value(space, stored, even_lapsed)

    def get_together(self, *wanted: tuple[Space[Any], str], even_lapsed: bool = False) -> tuple[Any, ...]:
        """Return several values for the price of one round trip, each as its space holds it, or ``None``."""
        found = self.store.get(tuple([f"{space.name}:{key}" for space, key in wanted]), _epoch())
        return tuple(
            [
                None if stored is None else _value(space, stored, even_lapsed)
                for (space, _), stored in zip(wanted, found, strict=True)
            ]
        )

    def take(self, space: Space[T], key: str, *, even_lapsed: bool = False) -> T | None:
        """Return the living value and delete it in the same act: of many callers, one gets it."""
        return _value(space, self.store.take(_key(space, key), _epoch()), even_lapsed)

    def take_asking(self, space: Space[T], key: str, beside: Space[B], beside_key: str) -> tuple[T | None, B | None]:
        """Take a value, and for the price of the same round trip read another; nothing taken, nothing read."""
        taken, read = self.store.take_asking(_key(space, key), _key(beside, beside_key), _epoch())
        value = _value(space, taken)
        return value, None if value is None else _value(beside, read)

    def add(self, space: Space[T], key: str, value: T, *, ttl: timedelta) -> bool:
        """Keep ``value`` unless a living one is there; say whether it was kept."""
        now = _epoch()
        return self.store.add(_key(space, key), _stored(space, value, now + ttl.total_seconds()), now)

    def change(
        self, space: Space[T], key: str, fn: Callable[[T], T | None], *, ttl: timedelta | None = None
    ) -> T | None:
        """Replace the living value by ``fn`` of it, by compare-and-set; without ``ttl`` its end stays where it is.

        ``fn`` may run several times; it returns ``None`` to leave the value alone. Returns the new value when this
        call stored it, and ``None`` when there was none or ``fn`` left it.
        """
        full = _key(space, key)
        for _ in range(_CHANGE_ATTEMPTS):
            now = _epoch()
            (old,) = self.store.get((full,), now)
            if old is None or old.lapsed:
                return None
            value = fn(space.decode(old.text))
            if value is None:
                return None
            expires = old.expires if ttl is None else now + ttl.total_seconds()
            if self.store.swap(full, old, _stored(space, value, expires), now):
                return value
        raise StateDown(f"too many rivals for one entry of {space.name}")

    def delete(self, space: Space[T], key: str) -> None:
        """Forget an entry."""
        self.store.delete(_key(space, key))

    def bump(self, name: str, key: str, *, ttl: timedelta) -> int:
        """Add one to a counter and return it; its life runs from the first bump."""
        now = _epoch()
        return self.store.bump(f"n.{name}:{key}", now + ttl.total_seconds(), now)

    def count(self, name: str, key: str) -> int:
        """Return a counter without changing it."""
        return self.store.count(f"n.{name}:{key}", _epoch())

    def clear(self, name: str, key: str) -> None:
        """Set a counter back to nothing."""
        self.store.delete(f"n.{name}:{key}")


def _key(space: Space[T], key: str) -> str:
    return f"{space.name}:{key}"


def _stored(space: Space[T], value: T, expires: float) -> Stored:
    return Stored(space.encode(value), expires, space.once)


def _value(space: Space[T], stored: Stored | None, even_lapsed: bool = False) -> T | None:
    return None if stored is None or (stored.lapsed and not even_lapsed) else space.decode(stored.text)


def _epoch() -> float:
    return clock.now().timestamp()


# The short-lived state of the provider that answers now.
state = cast(State, Of("state"))

"""Short-lived state in Redis: single commands where one will do, scripts where two must be one.

Values are stored as ``<expires> <json>``, counters as ``<expires> <n>``: Redis's own expiry frees memory, ours decides.

What is good once is stored as ``<expires> @<life> <json>``, and has lapsed in any other life (RC-06).
"""

import hashlib
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import redis

from idp.redis_connections import THIS_LIFE, Command, Connections, pairs_of_info
from idp.redis_urls import open_pool
from idp.state import StateDown, Stored


@dataclass(frozen=True)
class Told:
    """What a Redis says of itself: its INFO, and its time; what it is not allowed to say is missing."""

    info: dict[str, str]
    time: float | None


class Script:
    """What Redis runs as one act, and the name under which it remembers it."""

    def __init__(self, text: str) -> None:
        self.text = text
        # SHA-1 is how Redis names scripts, no more.
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_LIVING = """
local function living(raw, now)
  if not raw then return nil end
  local space = string.find(raw, ' ', 1, true)
  if tonumber(string.sub(raw, 1, space - 1)) <= tonumber(now) then return nil end
  return string.sub(raw, space + 1)
end
"""
_ADD = Script(
    _LIVING
    + """
if living(redis.call('GET', KEYS[1]), ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
)
_SWAP = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
""")
_BUMP = Script(
    _LIVING
    + """
local n = living(redis.call('GET', KEYS[1]), ARGV[1])
if n then
  local raw = redis.call('GET', KEYS[1])
  local expires = string.sub(raw, 1, string.find(raw, ' ', 1, true) - 1)
  redis.call('SET', KEYS[1], expires .. ' ' .. (n + 1), 'KEEPTTL')
  return n + 1
end
redis.call('SET', KEYS[1], ARGV[2] .. ' 1', 'PX', ARGV[3])
return 1
"""
)


class RedisStore:
    """A `Store` in one Redis, or in the primary that Sentinel names."""

    def __init__(self, url: str, *, prefix: str = "sesame:", connections: int = 32) -> None:
        self._prefix = prefix
        self._connections = Connections(open_pool(url), limit=connections)

    def put(self, key: str, entry: Stored, now: float) -> None:
        self._ask(self._put(key, entry, now))

    def put_asking(self, key: str, entry: Stored, beside: str, now: float) -> Stored | None:
        # In this order, on one connection: what is asked for is asked after the entry is there.
        _done, asked = self._ask(self._put(key, entry, now), ("GET", self._prefix + beside))
        return unpack(asked, now)

    def get(self, keys: tuple[str, ...], now: float) -> tuple[Stored | None, ...]:
        (found,) = self._ask(("MGET", *[self._prefix + key for key in keys]))
        return tuple([None if raw is None else unpack(raw, now) for raw in found])

    def take(self, key: str, now: float) -> Stored | None:
        (taken,) = self._ask(("GETDEL", self._prefix + key))
        return unpack(taken, now)

    def take_asking(self, key: str, beside: str, now: float) -> tuple[Stored | None, Stored | None]:
        taken, asked = self._ask(("GETDEL", self._prefix + key), ("GET", self._prefix + beside))
        found = unpack(taken, now)
        return found, None if found is None else unpack(asked, now)

    def add(self, key: str, entry: Stored, now: float) -> bool:
        return bool(self._run(_ADD, key, repr(now), _pack(entry), _left(entry.expires, now)))

    def swap(self, key: str, old: Stored, new: Stored, now: float) -> bool:
        return bool(self._run(_SWAP, key, _pack(old), _pack(new), _left(new.expires, now)))

    def delete(self, key: str) -> None:
        self._ask(("DEL", self._prefix + key))

    def bump(self, key: str, expires: float, now: float) -> int:
        return int(self._run(_BUMP, key, repr(now), repr(expires), _left(expires, now)))

    def count(self, key: str, now: float) -> int:
        (stored,) = self.get((key,), now)
        return 0 if stored is None else int(stored.text)

    def purge(self, now: float) -> int:
        """Do nothing: Redis frees expired entries itself."""
        return 0

    def ping(self) -> None:
        self._ask(("PING",))

    def empty(self) -> None:
        """Forget everything: the database of this number is ours alone."""
        self._ask(("FLUSHDB",))

    def close(self) -> None:
        """Give every connection back."""
        self._connections.close()

    def tell(self) -> dict[str, Told]:
        """Return what each Redis says of itself, by its address, or raise `StateDown`."""
        told = self._everywhere(("INFO",), ("TIME",))
        return {
            where: Told(
                {} if isinstance(info, redis.ResponseError) else pairs_of_info(info),
                None if isinstance(time, redis.ResponseError) else int(time[0]) + int(time[1]) / 1e6,
            )
            for where, (info, time) in told.items()
        }

    def watch(self, around: Callable[[tuple[str, ...]], AbstractContextManager[object]]) -> None:
        """Have each round to Redis happen within ``around``, which is told the names of its commands and no more."""
        ask = self._ask

        def watched(*commands: Command) -> list[Any]:
            with around(tuple([str(command[0]) for command in commands])):
                return ask(*commands)

        # Put there, not asked for at each round: nearly nobody wants it.
        self._ask = watched  # type: ignore[method-assign]

    def _put(self, key: str, entry: Stored, now: float) -> Command:
        return ("SET", self._prefix + key, _pack(entry), "PX", _left(entry.expires, now))

    def _run(self, script: Script, key: str, *arguments: str | int) -> Any:
        try:
            (answer,) = self._ask(("EVALSHA", script.sha, 1, self._prefix + key, *arguments))
        except redis.exceptions.NoScriptError:
            (answer,) = self._ask(("EVAL", script.text, 1, self._prefix + key, *arguments))
        return answer

    def _ask(self, *commands: Command) -> list[Any]:
        """Return what each command is answered; raises `StateDown` for whatever is no answer."""
        answers = self._answers(*commands)
        for answer in answers:
            if isinstance(answer, redis.exceptions.NoScriptError):
                raise answer
            if isinstance(answer, redis.ResponseError):
                # Full under `noeviction`, still loading, not allowed: nobody gets in by it (RC-04).
                raise StateDown(type(answer).__name__)
        return answers

    def _answers(self, *commands: Command) -> list[Any]:
        return self._connections.ask(*commands)

    def _everywhere(self, *commands: Command) -> dict[str, list[Any]]:
        return {"redis": self._connections.ask(*commands)}


def _pack(entry: Stored) -> str:
    return f"{entry.expires!r} @{THIS_LIFE} {entry.text}" if entry.once else f"{entry.expires!r} {entry.text}"


def unpack(raw: str | None, now: float) -> Stored | None:
    """Return what `_pack` wrote, while it lives."""
    if raw is None:
        return None
    expires, _, text = raw.partition(" ")
    if float(expires) <= now:
        return None
    if not text.startswith("@"):
        return Stored(text, float(expires))
    life, _, text = text[1:].partition(" ")
    return Stored(text, float(expires), once=True, lapsed=life != THIS_LIFE)


def _left(expires: float, now: float) -> int:
    return max(1, math.ceil((expires - now) * 1000))

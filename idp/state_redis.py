"""Short-lived state in Redis: single commands where one will do, scripts where two must be one.

Values are stored as ``<expires> <json>``, counters as ``<expires> <n>``: Redis's own expiry frees memory, ours decides.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from idp.state import StateDown, Stored

_LIVING = """
local function living(raw, now)
  if not raw then return nil end
  local space = string.find(raw, ' ', 1, true)
  if tonumber(string.sub(raw, 1, space - 1)) <= tonumber(now) then return nil end
  return string.sub(raw, space + 1)
end
"""
_ADD = (
    _LIVING
    + """
if living(redis.call('GET', KEYS[1]), ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
)
_SWAP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_BUMP = (
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
    """A `Store` in one Redis; every command answers within half a second or fails."""

    def __init__(self, url: str, *, prefix: str = "sesame:", timeout: float = 0.5, connections: int = 32) -> None:
        self._prefix = prefix
        # The client's own default retries ten times: 3.8 s per command while Redis is down.
        pool = redis.BlockingConnectionPool.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 1),
            max_connections=connections,
            # How long a thread waits for another to give its connection back.
            timeout=2 * timeout,
        )
        self._redis: Any = redis.Redis(connection_pool=pool)
        self._add: Callable[..., Any] = self._redis.register_script(_ADD)
        self._swap: Callable[..., Any] = self._redis.register_script(_SWAP)
        self._bump: Callable[..., Any] = self._redis.register_script(_BUMP)

    def put(self, key: str, entry: Stored, now: float) -> None:
        with _fail_closed():
            self._redis.set(self._prefix + key, _pack(entry), px=_left(entry.expires, now))

    def get(self, keys: tuple[str, ...], now: float) -> tuple[Stored | None, ...]:
        with _fail_closed():
            if len(keys) == 1:
                return (_unpack(self._redis.get(self._prefix + keys[0]), now),)
            return tuple(_unpack(raw, now) for raw in self._redis.mget([self._prefix + key for key in keys]))

    def take(self, key: str, now: float) -> Stored | None:
        with _fail_closed():
            return _unpack(self._redis.getdel(self._prefix + key), now)

    def take_asking(self, key: str, beside: str, now: float) -> tuple[Stored | None, Stored | None]:
        with _fail_closed():
            both = self._redis.pipeline(transaction=True)
            taken, asked = both.getdel(self._prefix + key).get(self._prefix + beside).execute()
        found = _unpack(taken, now)
        return found, None if found is None else _unpack(asked, now)

    def add(self, key: str, entry: Stored, now: float) -> bool:
        with _fail_closed():
            return bool(self._add([self._prefix + key], [repr(now), _pack(entry), _left(entry.expires, now)]))

    def swap(self, key: str, old: Stored, new: Stored, now: float) -> bool:
        with _fail_closed():
            return bool(self._swap([self._prefix + key], [_pack(old), _pack(new), _left(new.expires, now)]))

    def delete(self, key: str) -> None:
        with _fail_closed():
            self._redis.delete(self._prefix + key)

    def bump(self, key: str, expires: float, now: float) -> int:
        with _fail_closed():
            return int(self._bump([self._prefix + key], [repr(now), repr(expires), _left(expires, now)]))

    def count(self, key: str, now: float) -> int:
        (stored,) = self.get((key,), now)
        return 0 if stored is None else int(stored.text)

    def purge(self, now: float) -> int:
        """Do nothing: Redis frees expired entries itself."""
        return 0

    def ping(self) -> None:
        with _fail_closed():
            self._redis.ping()

    def close(self) -> None:
        """Give every connection back."""
        self._redis.close()


@contextmanager
def _fail_closed() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as fault:
        raise StateDown(type(fault).__name__) from fault


def _pack(entry: Stored) -> str:
    return f"{entry.expires!r} {entry.text}"


def _unpack(raw: str | None, now: float) -> Stored | None:
    if raw is None:
        return None
    expires, _, text = raw.partition(" ")
    return Stored(text, float(expires)) if float(expires) > now else None


def _left(expires: float, now: float) -> int:
    return max(1, math.ceil((expires - now) * 1000))

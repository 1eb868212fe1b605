"""Short-lived state in Redis: single commands where one will do, scripts where two must be one.

Values are stored as ``<expires> <json>``, counters as ``<expires> <n>``: Redis's own expiry frees memory, ours decides.
"""

import hashlib
import math
import threading
from typing import Any

import redis
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.retry import Retry

from idp.state import StateDown, Stored

# The libraries' own types say less than they do.
Command = Any
Connection = Any


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
    """A `Store` in one Redis; every command answers within half a second or fails.

    Commands go packed over the client library's own connections: its `execute_command` and its pool cost three times
    what the round trip itself does, at every request (docs/performance.md).
    """

    def __init__(self, url: str, *, prefix: str = "sesame:", timeout: float = 0.5, connections: int = 32) -> None:
        self._prefix = prefix
        # The client's own default retries ten times: 3.8 s per command while Redis is down.
        self._pool = redis.ConnectionPool.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            max_connections=connections,
        )
        self._idle: list[Connection] = []
        self._places = threading.Semaphore(connections)
        # How long a thread waits for another to give its connection back.
        self._wait = 2 * timeout

    def put(self, key: str, entry: Stored, now: float) -> None:
        self._ask(self._put(key, entry, now))

    def put_asking(self, key: str, entry: Stored, beside: str, now: float) -> Stored | None:
        # In this order, on one connection: what is asked for is asked after the entry is there.
        _done, asked = self._ask(self._put(key, entry, now), ("GET", self._prefix + beside))
        return _unpack(asked, now)

    def get(self, keys: tuple[str, ...], now: float) -> tuple[Stored | None, ...]:
        (found,) = self._ask(("MGET", *(self._prefix + key for key in keys)))
        return tuple(_unpack(raw, now) for raw in found)

    def take(self, key: str, now: float) -> Stored | None:
        (taken,) = self._ask(("GETDEL", self._prefix + key))
        return _unpack(taken, now)

    def take_asking(self, key: str, beside: str, now: float) -> tuple[Stored | None, Stored | None]:
        taken, asked = self._ask(("GETDEL", self._prefix + key), ("GET", self._prefix + beside))
        found = _unpack(taken, now)
        return found, None if found is None else _unpack(asked, now)

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
        while self._idle:
            self._idle.pop().disconnect()
        self._pool.disconnect()

    def _put(self, key: str, entry: Stored, now: float) -> Command:
        return ("SET", self._prefix + key, _pack(entry), "PX", _left(entry.expires, now))

    def _run(self, script: Script, key: str, *arguments: str | int) -> Any:
        try:
            (answer,) = self._ask(("EVALSHA", script.sha, 1, self._prefix + key, *arguments))
        except redis.exceptions.NoScriptError:
            (answer,) = self._ask(("EVAL", script.text, 1, self._prefix + key, *arguments))
        return answer

    def _ask(self, *commands: Command) -> list[Any]:
        """Send the commands in one piece and return what each is answered."""
        request = b"".join(pack_command(command) for command in commands)
        if not self._places.acquire(timeout=self._wait):
            raise StateDown("every connection is in use")
        connection: Connection = None
        try:
            connection = self._idle.pop() if self._idle else self._pool.make_connection()
            try:
                return _exchange(connection, request, len(commands))
            except redis.ConnectionError:
                # Redis closed it since its last use: once more, on a new one.
                connection.disconnect()
                return _exchange(connection, request, len(commands))
        except redis.exceptions.NoScriptError:
            raise
        except redis.RedisError as fault:
            raise StateDown(type(fault).__name__) from fault
        finally:
            if connection is not None:
                self._idle.append(connection)
            self._places.release()


def _exchange(connection: Connection, request: bytes, answers: int) -> list[Any]:
    connection.send_packed_command([request], check_health=False)
    # Each is read whatever the ones before it say: the next user of this connection must not find it.
    found = [_read(connection) for _ in range(answers)]
    for answer in found:
        if isinstance(answer, redis.ResponseError):
            raise answer
    return found


def _read(connection: Connection) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as refusal:
        return refusal


def _pack(entry: Stored) -> str:
    return f"{entry.expires!r} {entry.text}"


def _unpack(raw: str | None, now: float) -> Stored | None:
    if raw is None:
        return None
    expires, _, text = raw.partition(" ")
    return Stored(text, float(expires)) if float(expires) > now else None


def _left(expires: float, now: float) -> int:
    return max(1, math.ceil((expires - now) * 1000))

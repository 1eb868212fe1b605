"""Short-lived state in Redis: single commands where one will do, scripts where two must be one.

Values are stored as ``<expires> <json>``, counters as ``<expires> <n>``: Redis's own expiry frees memory, ours decides.

What is good once is stored as ``<expires> @<life> <json>``. A life begins whenever a Redis becomes the primary, by its
start or by being promoted: it may not have heard then that something was used, so what was written in another life has
lapsed (RC-06). Each connection asks in which life it is once, when it is made, so that this costs no round trip.
"""

import hashlib
import math
import re
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


# Stands for the life of whichever server a command goes to; no key and no JSON text holds it.
_LIFE = "\x00life\x00\x00\x00"
_LIFE_OCTETS = _LIFE.encode()

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
            redis_connect_func=_greet,
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
        life, (_done, asked) = self._hear(self._put(key, entry, now), ("GET", self._prefix + beside))
        return _unpack(asked, life, now)

    def get(self, keys: tuple[str, ...], now: float) -> tuple[Stored | None, ...]:
        life, (found,) = self._hear(("MGET", *(self._prefix + key for key in keys)))
        return tuple(_unpack(raw, life, now) for raw in found)

    def take(self, key: str, now: float) -> Stored | None:
        life, (taken,) = self._hear(("GETDEL", self._prefix + key))
        return _unpack(taken, life, now)

    def take_asking(self, key: str, beside: str, now: float) -> tuple[Stored | None, Stored | None]:
        life, (taken, asked) = self._hear(("GETDEL", self._prefix + key), ("GET", self._prefix + beside))
        found = _unpack(taken, life, now)
        return found, None if found is None else _unpack(asked, life, now)

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
        """Forget everything, between tests."""
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
        return self._hear(*commands)[1]

    def _hear(self, *commands: Command) -> tuple[str, list[Any]]:
        """Do as `_ask`, and return the life of who answers too."""
        request = b"".join(pack_command(command) for command in commands)
        if not self._places.acquire(timeout=self._wait):
            raise StateDown("every connection is in use")
        connection: Connection = None
        try:
            connection = self._idle.pop() if self._idle else self._pool.make_connection()
            try:
                return _exchange(connection, request, len(commands))
            except redis.ConnectionError:
                # Redis closed it since its last use, or is the primary no more: once more, on a new one.
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


def _greet(connection: Connection) -> None:
    """Begin a connection as the client library does, and learn into which life it leads.

    Redis draws a new replication id whenever it becomes the primary, and lets nobody keep one over that.
    """
    connection.on_connect()
    connection.send_command("INFO", "replication")
    replication_id = re.search(r"^master_replid:(\w{8})", connection.read_response(), re.M)
    if replication_id is None:
        raise redis.ConnectionError("Redis does not say in which life it is")
    connection.sesame_life = replication_id[1]


def _exchange(connection: Connection, request: bytes, answers: int) -> tuple[str, list[Any]]:
    if connection._sock is None:
        connection.connect()
    life: str = connection.sesame_life
    if _LIFE_OCTETS in request:
        request = request.replace(_LIFE_OCTETS, life.encode())
    connection.send_packed_command([request], check_health=False)
    # Each is read whatever the ones before it say: the next user of this connection must not find it.
    found = [_read(connection) for _ in range(answers)]
    for answer in found:
        if isinstance(answer, redis.exceptions.ReadOnlyError):
            # A primary no more (RC-02): whatever it becomes later, this connection knows nothing of.
            raise redis.ConnectionError("demoted")
        if isinstance(answer, redis.ResponseError):
            raise answer
    return life, found


def _read(connection: Connection) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as refusal:
        return refusal


def _pack(entry: Stored) -> str:
    return f"{entry.expires!r} @{_LIFE} {entry.text}" if entry.once else f"{entry.expires!r} {entry.text}"


def _unpack(raw: str | None, life: str, now: float) -> Stored | None:
    if raw is None:
        return None
    expires, _, text = raw.partition(" ")
    if float(expires) <= now:
        return None
    if not text.startswith("@"):
        return Stored(text, float(expires))
    written_in, _, text = text[1:].partition(" ")
    return Stored(text, float(expires), once=True, lapsed=written_in != life)


def _left(expires: float, now: float) -> int:
    return max(1, math.ceil((expires - now) * 1000))

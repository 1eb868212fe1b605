"""How commands go to one Redis: packed, over connections that are kept, and never for longer than half a second.

The client library's own `execute_command` and its pool cost three times what the round trip itself does, at every
request (docs/performance.md); its default of ten retries makes a command wait 3.8 s while Redis is down.

A Redis begins a new life whenever it becomes the primary, by its start or by being promoted: it may not have heard then
that something was used (RC-06). Each connection asks in which life it is once, when it is made, so that this costs no
round trip; `THIS_LIFE` stands for it in what is written and read.
"""

import re
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import redis
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError
from redis.retry import Retry

from idp.state import StateDown

# The libraries' own types say less than they do.
Command = Any
Connection = Any
TIMEOUT = 0.5
# As long as a life's name, so that a packed request keeps its lengths; no key and no JSON text holds it.
THIS_LIFE = "\x00life\x00\x00\x00"
_THIS_LIFE_OCTETS = THIS_LIFE.encode()
# After so many time-outs in a row only one thread tries again from time to time: the others are needed for what goes on
# without Redis (RC-03).
_LATE_IN_A_ROW = 3
_TRY_AGAIN_AFTER = 0.5


def connection_options(timeout: float = TIMEOUT) -> dict[str, Any]:
    """Return how every connection of ours behaves: it fails soon, and trying again is decided here."""
    return {
        "decode_responses": True,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
    }


def greet(connection: Connection) -> None:
    """Begin a connection as the client library does, and learn into which life it leads.

    Redis draws a new replication id whenever it becomes the primary, and lets nobody keep one over that.
    """
    connection.on_connect()
    connection.send_command("INFO", "replication")
    replication_id = re.search(r"^master_replid:(\w{8})", connection.read_response(), re.M)
    if replication_id is None:
        raise redis.ConnectionError("Redis does not say in which life it is")
    connection.sesame_life = replication_id[1]


class Connections:
    """At most ``limit`` connections of ``pool``, which knows how to make one."""

    def __init__(self, pool: redis.ConnectionPool, *, limit: int) -> None:
        self._pool = pool
        self._idle: list[Connection] = []
        # A queue written in C: a semaphore of `threading` is ten calls of Python each time.
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(limit):
            self._places.put(None)
        self._late, self._again_at = 0, 0.0

    def ask(self, *commands: Command) -> list[Any]:
        """Send the commands in one piece and return what each is answered; a refusal is an answer.

        Raises `StateDown`. A connection that Redis has closed, or that leads to a primary of yesterday, is made anew
        and the commands are sent once more: what is taken twice is gone, and what is counted twice is counted.
        """
        request = b"".join([*map(pack_command, commands)])
        if self._late >= _LATE_IN_A_ROW and not self._may_try():
            raise StateDown("Redis does not answer in time")
        # How long a thread waits for another to give its connection back.
        try:
            self._places.get(timeout=2 * TIMEOUT)
        except Empty:
            raise StateDown("every connection is in use") from None
        connection: Connection = None
        try:
            connection = self._idle.pop() if self._idle else self._pool.make_connection()
            answers = _exchange_twice(connection, request, len(commands))
        except redis.RedisError as fault:
            if isinstance(fault, redis.TimeoutError):
                self._late, self._again_at = self._late + 1, monotonic() + _TRY_AGAIN_AFTER
            raise StateDown(type(fault).__name__) from fault
        else:
            self._late = 0
            return answers
        finally:
            if connection is not None:
                self._idle.append(connection)
            self._places.put(None)

    def close(self) -> None:
        """Give every connection back."""
        while self._idle:
            self._idle.pop().disconnect()
        self._pool.disconnect()

    def _may_try(self) -> bool:
        now = monotonic()
        if now < self._again_at:
            return False
        self._again_at = now + _TRY_AGAIN_AFTER
        return True


def _exchange_twice(connection: Connection, request: bytes, answers: int) -> list[Any]:
    try:
        found = _exchange(connection, request, answers)
        if not _is_from_a_replica(found):
            return found
        # A primary until a moment ago (RC-02): the name may lead elsewhere by now.
        connection.disconnect()
    except redis.ConnectionError:
        # Redis closed it since its last use.
        pass
    found = _exchange(connection, request, answers)
    if _is_from_a_replica(found):
        connection.disconnect()
        raise redis.ConnectionError("only a replica answers")
    return found


def _is_from_a_replica(answers: list[Any]) -> bool:
    return ReadOnlyError in {*map(type, answers)}


def _exchange(connection: Connection, request: bytes, answers: int) -> list[Any]:
    try:
        if not connection.is_connected:
            # Where Sentinel says who is the primary, it is asked here.
            connection.connect()
        life: str = connection.sesame_life
        if _THIS_LIFE_OCTETS in request:
            request = request.replace(_THIS_LIFE_OCTETS, life.encode())
        connection.send_packed_command([request], check_health=False)
        # Each is read whatever the ones before it say: the next user of this connection must not find it.
        mark = f" @{life} "
        return [_of_this_life(_read(connection), mark) for _ in range(answers)]
    except BaseException:
        # Whatever ended it: an answer that comes late is nobody's (RC-31).
        connection.disconnect()
        raise


def _read(connection: Connection) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as refusal:
        return refusal


def _of_this_life(answer: Any, mark: str) -> Any:
    """Return ``answer`` with `THIS_LIFE` where it was written in the life that it is read in."""
    if isinstance(answer, str):
        before, found, text = answer.partition(mark)
        # Behind the first space: further on it would be somebody's text.
        return f"{before} @{THIS_LIFE} {text}" if found and " " not in before else answer
    if isinstance(answer, list):
        return [_of_this_life(one, mark) if isinstance(one, str) else one for one in answer]
    return answer


def pairs_of_info(text: str) -> dict[str, str]:
    """Return what Redis's INFO says."""
    lines = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in lines}

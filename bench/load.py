"""A load generator: one thread, a few keep-alive connections, every answer checked; it runs in a process of its own.

An operation is a generator of `flows.py`: it yields requests, is sent the answers, and tells the tally how each
operation ended. Whoever measures reads the servers' CPU between the signals « prepared » and « done ».
"""

import re
import select
import socket
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any


@dataclass(frozen=True)
class Elsewhere:
    """A question to another port of this machine, such as the mailbox; the connection to the provider is given up.

    Whoever reads a mail takes longer than a server keeps a connection.
    """

    port: int
    request: bytes


Flow = Generator["bytes | Elsewhere", bytes, Any]
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.I)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.I)


@dataclass
class Tally:
    """What was done, how long each took, and what did not come back as it should."""

    seconds: float
    most: int
    took: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: bytes = b""
    started: float = 0.0
    # Requests to the provider, of which an operation may need several.
    asked: int = 0

    def goes_on(self) -> bool:
        """Tell whether there is more to do."""
        return time.perf_counter() - self.started < self.seconds and len(self.took) < self.most

    def add(self, since: float, good: bool, answer: bytes) -> None:
        """Count one operation."""
        self.took.append(time.perf_counter() - since)
        if not good:
            self.errors += 1
            self.first_error = self.first_error or answer[:600]


@dataclass(frozen=True)
class Result:
    """One measured run."""

    requests: int
    errors: int
    seconds: float
    generator_cpu: float
    p50: float
    p99: float
    first_error: bytes
    asked: int = 0


def run(
    port: int,
    prepare: Callable[..., Any] | None,
    operate: Callable[..., Flow],
    arguments: Any,
    *,
    users: int,
    seconds: float,
    most: int = 10**9,
    around: Callable[[], Any] = lambda: None,
) -> tuple[Result, Any, Any]:
    """Run an operation; return its result, and what ``around`` said just before and just after."""
    context = get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_child, args=(theirs, port, prepare, operate, arguments, users, seconds, most))
    child.start()
    # So that a generator that fails is noticed.
    theirs.close()
    if ours.recv() != "prepared":
        raise RuntimeError("the generator did not get ready")
    before = around()
    ours.send("go")
    result: Result = ours.recv()
    after = around()
    child.join()
    return result, before, after


def _child(
    pipe: Any, port: int, prepare: Any, operate: Any, arguments: Any, users: int, seconds: float, most: int
) -> None:
    prepared: list[Any] = [None] * users
    if prepare is not None:
        prepared = [[] for _ in range(users)]
        _drive(port, [prepare(arguments, user, prepared[user]) for user in range(users)])
    tally = Tally(seconds, most)
    pipe.send("prepared")
    pipe.recv()
    tally.started, cpu = time.perf_counter(), time.process_time()
    tally.asked = _drive(port, [operate(arguments, user, prepared[user], tally) for user in range(users)])
    took, cpu = time.perf_counter() - tally.started, time.process_time() - cpu
    ordered = sorted(tally.took) or [0.0]
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    pipe.send(Result(len(tally.took), tally.errors, took, cpu, p50, p99, tally.first_error, tally.asked))


def _drive(port: int, flows: list[Flow]) -> int:
    """Walk every flow along a connection of its own until all have ended; return how many requests that took."""
    poll, asked = select.epoll(), 0
    waiting: dict[int, tuple[socket.socket, Flow, list[bytes]]] = {}

    def close(connection: socket.socket) -> None:
        poll.unregister(connection)
        connection.close()

    def send(connection: socket.socket | None, flow: Flow, request: bytes | Elsewhere) -> None:
        nonlocal asked
        there = port
        if isinstance(request, Elsewhere):
            if connection is not None:
                close(connection)
            connection, there, request = None, request.port, request.request
        else:
            asked += 1
        if connection is None:
            connection = socket.create_connection(("127.0.0.1", there))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(connection, select.EPOLLIN)
        waiting[connection.fileno()] = (connection, flow, [])
        connection.sendall(request)

    for flow in flows:
        _go_on(flow, None, lambda request, flow=flow: send(None, flow, request))
    while waiting:
        for number, _event in poll.poll(10):
            connection, flow, parts = waiting[number]
            data = connection.recv(262_144)
            parts.append(data)
            answer = data if len(parts) == 1 else b"".join(parts)
            if data and not _is_whole(answer):
                continue
            del waiting[number]
            kept: socket.socket | None = connection
            if not data or _CLOSES.search(answer):
                # As gunicorn's sync worker does after every answer.
                close(connection)
                kept = None
            if not _go_on(flow, answer, lambda request, kept=kept, flow=flow: send(kept, flow, request)) and kept:
                close(kept)
    poll.close()
    return asked


def _go_on(flow: Flow, answer: bytes | None, send: Callable[[bytes | Elsewhere], None]) -> bool:
    try:
        send(next(flow) if answer is None else flow.send(answer))
    except StopIteration:
        return False
    return True


def _is_whole(answer: bytes) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    length = _LENGTH.search(answer, 0, head)
    if length is not None:
        return len(answer) - head - 4 >= int(length[1])
    is_chunked = _CHUNKED.search(answer, 0, head) is not None
    return not is_chunked or answer.endswith(b"\r\n0\r\n\r\n", head)

"""A small load generator: keep-alive connections in threads of a process of its own, every answer checked."""

import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.I)


@dataclass(frozen=True)
class Result:
    """What one run cost and brought."""

    requests: int
    errors: int
    seconds: float
    client_cpu: float


class Connection:
    """One keep-alive connection that speaks just enough HTTP/1.1."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and return the status and the whole answer."""
        self.socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, body = answer.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        missing = (int(found[1]) if found else 0) - len(body)
        while missing > 0:
            more = self._more()
            answer += more
            missing -= len(more)
        status = _STATUS.match(head)
        return (int(status[1]) if status else 0), answer

    def _more(self) -> bytes:
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError("the server hung up")
        return data


def get(path: str, port: int, headers: str = "") -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}\r\n".encode()


def post(path: str, port: int, body: str, headers: str = "") -> bytes:
    """Return a POST of a form."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n{headers}\r\n{body}"
    ).encode()


def run(
    port: int, requests: Sequence[bytes], expected: int, *, threads: int = 4, seconds: float | None = None
) -> Result:
    """Send ``requests`` once each, or the first of them again and again for ``seconds``."""
    return in_process(_run, port, requests, expected, threads, seconds)


def in_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run the load in a process of its own, so that its CPU is not the server's starter's."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_call, args=(theirs, function, arguments))
    child.start()
    result: Result = ours.recv()
    child.join()
    return result


def _call(pipe: Any, function: Callable[..., Result], arguments: tuple[Any, ...]) -> None:
    pipe.send(function(*arguments))


def _run(port: int, requests: Sequence[bytes], expected: int, threads: int, seconds: float | None) -> Result:
    counts, errors = [0] * threads, [0] * threads
    ends_at = time.perf_counter() + (seconds or 3600)

    def work(number: int) -> None:
        connection = Connection(port)
        mine = requests[number::threads] if seconds is None else requests
        while time.perf_counter() < ends_at:
            for request in mine:
                status, _ = connection.ask(request)
                counts[number] += 1
                errors[number] += status != expected
            if seconds is None:
                break

    return timed(work, threads, counts, errors)


def timed(work: Callable[[int], None], threads: int, counts: list[int], errors: list[int]) -> Result:
    """Run ``work`` in threads and return what it counted and cost."""
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    started, cpu = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return Result(sum(counts), sum(errors), time.perf_counter() - started, time.process_time() - cpu)


def run_refresh(port: int, tokens: Sequence[str], client_id: str, seconds: float) -> Result:
    """Refresh again and again, each thread along its own family."""
    return in_process(_refresh, port, tokens, client_id, seconds)


def _refresh(port: int, tokens: Sequence[str], client_id: str, seconds: float) -> Result:
    counts, errors = [0] * len(tokens), [0] * len(tokens)
    ends_at = time.perf_counter() + seconds

    def work(number: int) -> None:
        connection, token = Connection(port), tokens[number]
        while time.perf_counter() < ends_at:
            body = f"grant_type=refresh_token&client_id={client_id}&refresh_token={token}"
            status, answer = connection.ask(post("/token", port, body))
            counts[number] += 1
            found = re.search(rb'"refresh_token":"([^"]+)"', answer)
            if status != 200 or not found:
                errors[number] += 1
                return
            token = found[1].decode()

    return timed(work, len(tokens), counts, errors)


def run_sign_ins(port: int, start_path: str, nirs: Sequence[str], password: str, threads: int) -> Result:
    """Type NIR and password, each in a browser of its own; the cost is the password step with the page before it."""
    return in_process(_sign_ins, port, start_path, nirs, password, threads)


def _sign_ins(port: int, start_path: str, nirs: Sequence[str], password: str, threads: int) -> Result:
    counts, errors = [0] * threads, [0] * threads

    def work(number: int) -> None:
        connection = Connection(port)
        for nir in nirs[number::threads]:
            counts[number] += 1
            errors[number] += not _sign_in(connection, port, start_path, nir, password)

    return timed(work, threads, counts, errors)


def _sign_in(connection: Connection, port: int, start_path: str, nir: str, password: str) -> bool:
    _, answer = connection.ask(get(start_path, port))
    cookie = _cookie(answer)
    _, answer = connection.ask(get(_location(answer), port, cookie))
    path = _location(answer)
    _, answer = connection.ask(get(path, port, cookie))
    token = re.search(rb'name="csrf" value="([0-9a-f]{32})"', answer)
    if not token:
        return False
    body = f"csrf={token[1].decode()}&nir={nir}&password={password}"
    headers = f"{cookie}Origin: http://localhost:{port}\r\nSec-Fetch-Site: same-origin\r\n"
    status, answer = connection.ask(post(path, port, body, headers))
    return status == 303 and b"/send" in answer


def _cookie(answer: bytes) -> str:
    found = re.search(rb"set-cookie: (sid=[^;]+)", answer, re.I)
    return f"Cookie: {found[1].decode()}\r\n" if found else ""


def _location(answer: bytes) -> str:
    found = re.search(rb"\r\nlocation: (?:http://localhost:\d+)?([^\r]+)", answer, re.I)
    return found[1].decode() if found else "/nowhere"

"""Servers of a few lines, whose wrong answers a benchmark must not count as good ones."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from bench.flows import Target

Answer = Callable[[bytes], bytes]


class Provider:
    """Answers every request with what it is told; keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self.asked = answer, list[bytes]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening; connections have been closed by who opened them."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while request := connection.recv(65_536):
                self.asked.append(request)
                answer = self._answer(request)
                if not answer:
                    # As a server does that has been killed.
                    return
                connection.sendall(answer)


@pytest.fixture
def provider() -> Iterator[Callable[[Answer], Provider]]:
    with ExitStack() as running:

        def make(answer: Answer) -> Provider:
            made = Provider(answer)
            running.callback(made.close)
            return made

        yield make


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return an answer."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return f"{head}\r\n".encode() + body


def target_at(port: int, **changes: object) -> Target:
    """Return a provider with the usual paths."""
    names = ("discovery", "jwks", "authorize", "token", "userinfo", "introspect")
    paths = {name: f"/{name}" for name in names}
    target = Target("peer", port, paths, "bench", "secret", "http://localhost:9/callback", "sid=x")
    for name, value in changes.items():
        object.__setattr__(target, name, value)
    return target

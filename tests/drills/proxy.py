"""A TCP proxy that behaves as badly as a network does: late, cut, deaf, half open, a few bytes at a time.

It stands between a node and one of its servers on a loopback port. Faults take hold at once, also of connections that
are open; `heal` takes them back, but for connections that `forget_flows` has made deaf: as behind a firewall that has
forgotten them, nothing ever comes through those again, and nothing says so.
"""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

_LONGEST_READ = 65_536
_LOOK_AGAIN = 0.05


@dataclass(eq=False)
class _Flow:
    """One connection through the proxy."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    is_forgotten: bool = False


class Proxy:
    """Stands in front of a port of this machine; use it from any thread."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        # Seconds by which every answer comes later; octets of an answer per second, 0: all at once.
        self.delay = 0.0
        self.rate = 0
        # Takes connections and octets, and answers nothing.
        self.is_deaf = False
        self._refuses = False
        self._flows: set[_Flow] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> "Proxy":
        """Listen on a port that was free."""
        listening: Future[int] = Future()
        self._loop.create_task(self._listen(listening))
        self._thread.start()
        self.port = listening.result(10)
        return self

    def stop(self) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        self._loop.close()

    @property
    def connections(self) -> int:
        """Return how many connections go through."""
        return len(self._flows)

    def cut(self) -> None:
        """End every connection with a reset, and take no new one: nothing listens there any more."""
        self._refuses = True
        self.reset()

    def reset(self) -> None:
        """End every connection with a reset; new ones are taken."""
        self._on_loop(lambda: [writer.transport.abort() for flow in self._flows for writer in flow.writers])

    def forget_flows(self) -> None:
        """Make the connections of this moment half open: neither side hears of the other again."""
        for flow in tuple(self._flows):
            flow.is_forgotten = True

    def lead_to(self, target: int) -> None:
        """Lead new connections to another port, and end those that there are: what a fail-over looks like."""
        self.target = target
        self.reset()

    def heal(self) -> None:
        """Behave."""
        self.delay, self.rate, self.is_deaf, self._refuses = 0.0, 0, False, False

    def _on_loop(self, act: object) -> None:
        done: Future[None] = Future()

        def run() -> None:
            act()  # type: ignore[operator]
            done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._stopping = asyncio.Event()
        await self._stopping.wait()
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(_LOOK_AGAIN)

    async def _listen(self, listening: "Future[int]") -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        listening.set_result(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flow = _Flow([writer])
        try:
            if self._refuses:
                writer.transport.abort()
                return
            their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.target)
            flow.writers.append(their_writer)
            self._flows.add(flow)
            pumps = (self._pump(flow, reader, their_writer, is_answer=False),
                     self._pump(flow, their_reader, writer, is_answer=True))  # fmt: skip
            await asyncio.gather(*pumps)
        except (OSError, asyncio.CancelledError):
            # What it leads to is gone, or the drill is over.
            writer.transport.abort()
        finally:
            self._flows.discard(flow)
            for one in flow.writers:
                with suppress(OSError):
                    one.close()

    async def _pump(
        self, flow: _Flow, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_LONGEST_READ):
                while self.is_deaf or flow.is_forgotten:
                    await asyncio.sleep(_LOOK_AGAIN)
                if is_answer and self.delay:
                    await asyncio.sleep(self.delay)
                await self._pass_on(data, writer, slowly=is_answer)
        writer.close()

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter, *, slowly: bool) -> None:
        while data:
            piece = data[:1] if slowly and self.rate else data
            data = data[len(piece) :]
            writer.write(piece)
            await writer.drain()
            if slowly and self.rate:
                await asyncio.sleep(1 / self.rate)

"""People who sign in one after the other while an operator does something."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.drills.promises import Exchanged, exchanged
from tests.drills.site import Site, wait_until
from tests.drills.visitor import Visitor

# More only stand in line for the two cores on which everything here runs.
AT_ONCE = 4


class Load:
    """What became of them, so far."""

    def __init__(self, site: Site, then: Callable[[Exchanged], None]) -> None:
        self._site, self._then = site, then
        self.visitors: list[Visitor] = []
        self.done: list[Exchanged] = []
        self.faults: list[BaseException] = []
        self._over = threading.Event()

    def run(self) -> None:
        """Be one of several threads: somebody else signs in each time."""
        while not self._over.is_set():
            visitor = Visitor(self._site, self._site.people(1)[0])
            self.visitors.append(visitor)
            try:
                got = exchanged(visitor, within=60)
                self._then(got)
            except Exception as fault:  # noqa: BLE001 - whatever it is, the drill's own thread tells it
                self.faults.append(fault)
                return
            self.done.append(got)

    def wait_for(self, more: int) -> None:
        """Wait until so many more have signed in."""
        enough = len(self.done) + more
        wait_until(lambda: self.faults or len(self.done) >= enough, 90, "nobody signs in")
        assert self.faults == []

    def late(self, *others: Visitor) -> int:
        """Return how many met a page that came too late; AssertionError if anything else went wrong for anybody.

        Two cores carry all of it, and Redis is given up after half a second: such a page is 503 and is asked for again.
        """
        first = [visitor.seen[0] for visitor in (*self.visitors, *others) if visitor.seen]
        assert self.faults == []
        assert {seen.status for seen in first} <= {503}, first
        return len(first)

    def stop(self) -> None:
        """Let those under way be the last."""
        self._over.set()


@contextmanager
def signing_in(site: Site, then: Callable[[Exchanged], None] = lambda _got: None) -> Iterator[Load]:
    """Let people sign in all the while; ``then`` is told of each who has."""
    load = Load(site, then)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(AT_ONCE):
            pool.submit(load.run)
        try:
            yield load
        finally:
            load.stop()

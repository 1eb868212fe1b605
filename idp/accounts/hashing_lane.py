"""Decides who may hash a password now, who waits a moment, and who is asked to come back: few at once, fairly.

A burst of sign-ins must make people wait, not bring the machine down (AC-210, RC-33). The queue is short, because each
that waits holds a thread which passkeys, codes and tokens need. It is shared out by address: who is served next is the
address that was served longest ago, and when the queue is full the address with most in it gives a place up. One who
was sent away before and comes back goes before newcomers.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from idp import metrics


class HashingBusy(Exception):
    """No lane became free in time, or there was no place to wait: answer 503, count nothing."""


class _Ticket:
    """One that waits: called when its turn has come, or when its place went to another address."""

    def __init__(self, patient: bool) -> None:
        self.called = threading.Event()
        self.patient, self.may_hash = patient, False


class FairLane:
    """``size`` hashes at once, ``queue`` that wait; twice as many where those who come back are among them."""

    def __init__(self, size: int, queue: int) -> None:
        self._size, self._queue = size, queue
        self._lock = threading.Lock()
        self._running = 0
        # By address, that which was served longest ago first.
        self._waiting: OrderedDict[str, deque[_Ticket]] = OrderedDict()

    @contextmanager
    def place(self, whose: str, *, within: float, patient: bool = False) -> Iterator[None]:
        """Hash inside of this; raises `HashingBusy` when it may not be within ``within`` seconds, 0 being at once."""
        self._enter(whose, within, patient)
        try:
            yield
        finally:
            with self._lock:
                self._call_next()

    def check_room(self, whose: str, *, patient: bool = False) -> None:
        """Raise `HashingBusy` if `place` would at once; what is sent away shall cost no query."""
        with self._lock:
            if not self._is_free() and not self._has_room(patient) and self._who_yields(whose) is None:
                raise HashingBusy

    def _enter(self, whose: str, within: float, patient: bool) -> None:
        with self._lock:
            if self._is_free():
                self._running += 1
                return
            if within <= 0:
                # It takes nobody's place either.
                raise HashingBusy
            if not self._has_room(patient):
                self._make_room(whose)
            ticket = _Ticket(patient)
            self._waiting.setdefault(whose, deque()).append(ticket)
            self._tell()
        ticket.called.wait(within)
        with self._lock:
            if not ticket.called.is_set():
                self._forget(whose, ticket)
        if not ticket.may_hash:
            raise HashingBusy

    def _is_free(self) -> bool:
        return self._running < self._size and not self._waiting

    def _has_room(self, patient: bool) -> bool:
        return self._count() < self._queue * (2 if patient else 1)

    def _count(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _who_yields(self, whose: str) -> str | None:
        """Return the address that has more than one place more than ``whose`` has, if there is one."""
        most = max(self._waiting, key=lambda address: len(self._waiting[address]), default=None)
        own = len(self._waiting.get(whose, ()))
        return most if most is not None and len(self._waiting[most]) > own + 1 else None

    def _make_room(self, whose: str) -> None:
        yields = self._who_yields(whose)
        if yields is None:
            raise HashingBusy
        tickets = self._waiting[yields]
        # The last that came, and rather one that has not waited before.
        gone = next((ticket for ticket in reversed(tickets) if not ticket.patient), tickets[-1])
        self._forget(yields, gone)
        gone.called.set()

    def _forget(self, whose: str, ticket: _Ticket) -> None:
        self._waiting[whose].remove(ticket)
        if not self._waiting[whose]:
            del self._waiting[whose]
        self._tell()

    def _call_next(self) -> None:
        """Give the lane that became free to the next address in turn."""
        if not self._waiting:
            self._running -= 1
            return
        whose, tickets = next(iter(self._waiting.items()))
        ticket = next((ticket for ticket in tickets if ticket.patient), tickets[0])
        self._waiting.move_to_end(whose)
        self._forget(whose, ticket)
        ticket.may_hash = True
        ticket.called.set()

    def _tell(self) -> None:
        metrics.PASSWORD_WAITING.set(self._count())

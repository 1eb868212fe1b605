"""Who hashes next, who gives a place up, who is sent away: short queues, shared out by address (AC-210, RC-33)."""

import threading
from collections.abc import Callable

import pytest

from idp.accounts.hashing_lane import FairLane, HashingBusy
from tests.node import until


class Crowd:
    """People at a lane, each in a thread; who is served, and who is sent away, in that order."""

    def __init__(self, lane: FairLane) -> None:
        self.lane, self.served, self.sent_away = lane, list[str](), list[str]()
        self.threads: list[threading.Thread] = []
        self.gates: dict[str, threading.Event] = {}

    def comes(self, name: str, *, patient: bool = False) -> None:
        """Let one come whose address is the first letter of the name; returns when it waits, hashes or has left."""
        self.gates[name] = threading.Event()
        thread = threading.Thread(target=self._try, args=(name, patient), daemon=True)
        before = self._known()
        self.threads.append(thread)
        thread.start()
        until(lambda: self._known() > before, f"{name} has come")

    def leaves(self, name: str) -> None:
        """Let one finish whose turn it is, and the next take its place."""
        waiting = self.lane._count()
        before = len(self.served)
        self.gates[name].set()
        until(lambda: len(self.served) > before or not waiting, "the next was called")

    def _known(self) -> int:
        return len(self.served) + len(self.sent_away) + self.lane._count()

    def _try(self, name: str, patient: bool) -> None:
        try:
            with self.lane.place(name[0], within=60, patient=patient):
                self.served.append(name)
                self.gates[name].wait(60)
        except HashingBusy:
            self.sent_away.append(name)

    def empty(self) -> None:
        for gate in self.gates.values():
            gate.set()
        for thread in self.threads:
            thread.join(60)


@pytest.fixture
def crowd() -> Callable[..., Crowd]:
    return lambda queue: Crowd(FairLane(1, queue))


def test_addresses_take_turns_however_many_one_sends(crowd: Callable[..., Crowd]) -> None:
    people = crowd(queue=5)
    for name in ("a1", "a2", "a3", "a4", "b1", "c1"):
        people.comes(name)

    for name in ("a1", "a2", "b1", "c1", "a3"):
        people.leaves(name)
    people.empty()

    assert people.served == ["a1", "a2", "b1", "c1", "a3", "a4"]
    assert people.sent_away == []


def test_a_full_queue_takes_the_place_of_the_address_that_has_most(crowd: Callable[..., Crowd]) -> None:
    people = crowd(queue=3)
    for name in ("a1", "a2", "a3", "a4"):
        people.comes(name)

    people.comes("a5")
    people.comes("b1")
    until(lambda: len(people.sent_away) == 2, "the last of the greedy address has left")
    with pytest.raises(HashingBusy):
        people.lane.check_room("b")
    people.lane.check_room("c")
    people.empty()

    assert people.sent_away == ["a5", "a4"]
    assert sorted(people.served) == ["a1", "a2", "a3", "b1"]


def test_who_comes_back_finds_a_place_and_goes_first(crowd: Callable[..., Crowd]) -> None:
    people = crowd(queue=2)
    for name in ("a1", "a2", "a3"):
        people.comes(name)

    people.comes("a4")
    people.comes("a5", patient=True)
    people.leaves("a1")
    people.empty()

    assert people.sent_away == ["a4"]
    assert people.served[:2] == ["a1", "a5"]


def test_what_can_wait_for_another_day_takes_nobodys_place(crowd: Callable[..., Crowd]) -> None:
    people = crowd(queue=2)
    for name in ("a1", "a2", "a3"):
        people.comes(name)

    with pytest.raises(HashingBusy), people.lane.place("b", within=0):
        pass
    people.empty()

    assert people.sent_away == []
    assert people.served == ["a1", "a2", "a3"]


def test_one_whose_time_is_over_leaves_its_place() -> None:
    lane = FairLane(1, 1)

    with lane.place("a", within=0):
        for _ in range(3):
            with pytest.raises(HashingBusy), lane.place("b", within=0.01):
                pass
        assert lane._count() == 0
    with lane.place("b", within=0):
        pass

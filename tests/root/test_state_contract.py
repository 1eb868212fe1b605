"""Every store of short-lived state keeps the same promises; the suite's back end decides which one is held to them."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp.state import Space, State, StateDown, Store
from idp.state_redis import RedisStore
from idp.state_redis_cluster import open_redis
from idp.state_sql import _TABLE, SqlStore
from tests.conftest import Clock, forget_state
from tests.redis_fleet import cluster


@dataclass(frozen=True)
class Note:
    text: str
    n: int = 0


NOTES = Space("note", Note)
OTHERS = Space("other", Note)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def state_cluster() -> Iterator[RedisStore]:
    with cluster() as (_servers, url):
        store = open_redis(url, connections=32)
        yield store
        store.close()


@pytest.fixture(params=["own", "postgresql", "cluster"])
def state(request: pytest.FixtureRequest, whole_app: Flask, backend: str, stores: dict[str, Any]) -> Iterator[State]:
    """Return the state of this back end; with servers there is a third store, SQL state in PostgreSQL."""
    if request.param == "own":
        forget_state(whole_app)
        yield whole_app.extensions["sesame"]["state"]
        return
    if request.param == "cluster":
        if backend == "servers":
            pytest.skip("once is enough: it has servers of its own")
        store = request.getfixturevalue("state_cluster")
        store.empty()
        yield State(store)
        return
    if backend == "embedded":
        pytest.skip("PostgreSQL comes with --backend=servers")
    store = SqlStore(stores["database_url"], pool=20)
    with store._engine.connect() as connection:
        connection.execute(_TABLE)
        connection.exec_driver_sql("DELETE FROM state_entries")
    yield State(store)
    store.close()


def at_once(times: int, act: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(act, range(times)))


def test_what_is_put_can_be_got(state: State) -> None:
    state.put(NOTES, "a", Note("é “quoted” \n line"), ttl=MINUTE)

    assert state.get(NOTES, "a") == Note("é “quoted” \n line")


def test_spaces_do_not_see_each_other(state: State) -> None:
    state.put(NOTES, "a", Note("mine"), ttl=MINUTE)

    assert state.get(OTHERS, "a") is None


def test_an_entry_ends_by_our_clock_whether_or_not_anything_purges(state: State, clock: Clock) -> None:
    state.put(NOTES, "a", Note("short"), ttl=MINUTE)

    clock.step(seconds=59)
    before = state.get(NOTES, "a")
    clock.step(seconds=1)

    assert before is not None
    assert state.get(NOTES, "a") is None
    assert state.take(NOTES, "a") is None


def test_take_gives_an_entry_once(state: State) -> None:
    state.put(NOTES, "a", Note("ticket"), ttl=MINUTE)

    assert state.take(NOTES, "a") == Note("ticket")
    assert state.take(NOTES, "a") is None


def test_of_fifty_takers_at_once_one_gets_the_entry(state: State) -> None:
    for round_ in range(5):
        state.put(NOTES, f"t{round_}", Note("ticket"), ttl=MINUTE)

        taken = at_once(50, lambda _n, key=f"t{round_}": state.take(NOTES, key))

        assert Counter(value is not None for value in taken)[True] == 1


def test_add_keeps_the_first_until_it_ends(state: State, clock: Clock) -> None:
    assert state.add(NOTES, "a", Note("first"), ttl=MINUTE)
    assert not state.add(NOTES, "a", Note("second"), ttl=MINUTE)

    clock.step(minutes=1)

    assert state.add(NOTES, "a", Note("third"), ttl=MINUTE)
    assert state.get(NOTES, "a") == Note("third")


def test_of_fifty_adders_at_once_one_is_first(state: State) -> None:
    added = at_once(50, lambda n: state.add(NOTES, "a", Note("x", n), ttl=MINUTE))

    assert added.count(True) == 1


def test_no_counter_loses_an_increment(state: State) -> None:
    seen = at_once(40, lambda _n: [state.bump("tries", "a", ttl=MINUTE) for _ in range(5)])

    assert state.count("tries", "a") == 200
    assert sorted(n for numbers in seen for n in numbers) == list(range(1, 201))


def test_a_counter_ends_a_time_after_its_first_bump(state: State, clock: Clock) -> None:
    state.bump("tries", "a", ttl=MINUTE)
    clock.step(seconds=50)
    assert state.bump("tries", "a", ttl=MINUTE) == 2

    clock.step(seconds=10)

    assert state.count("tries", "a") == 0
    assert state.bump("tries", "a", ttl=MINUTE) == 1


def test_a_counter_can_be_cleared(state: State) -> None:
    state.bump("tries", "a", ttl=MINUTE)

    state.clear("tries", "a")

    assert state.count("tries", "a") == 0


def test_change_loses_no_update(state: State) -> None:
    state.put(NOTES, "a", Note("sum"), ttl=MINUTE)

    at_once(20, lambda _n: [state.change(NOTES, "a", lambda old: replace(old, n=old.n + 1)) for _ in range(5)])

    assert state.get(NOTES, "a") == Note("sum", 100)


def test_change_that_leaves_an_entry_says_none(state: State) -> None:
    state.put(NOTES, "a", Note("still"), ttl=MINUTE)

    assert state.change(NOTES, "a", lambda _old: None) is None
    assert state.change(NOTES, "absent", lambda old: old) is None
    assert state.get(NOTES, "a") == Note("still")


def test_change_keeps_the_end_unless_told_otherwise(state: State, clock: Clock) -> None:
    for key in ("kept", "moved"):
        state.put(NOTES, key, Note(key), ttl=MINUTE)
    clock.step(seconds=30)

    state.change(NOTES, "kept", lambda old: replace(old, n=1))
    state.change(NOTES, "moved", lambda old: replace(old, n=1), ttl=MINUTE)
    clock.step(seconds=40)

    assert state.get(NOTES, "kept") is None
    assert state.get(NOTES, "moved") == Note("moved", 1)


def test_several_come_in_the_order_asked_for(state: State) -> None:
    state.put(OTHERS, "b", Note("second"), ttl=MINUTE)

    assert state.get_together((NOTES, "a"), (OTHERS, "b"), (NOTES, "b")) == (None, Note("second"), None)


def test_what_is_taken_and_what_is_asked_beside_it_come_together(state: State, clock: Clock) -> None:
    for key in ("one", "two", "three"):
        state.put(NOTES, key, Note(key), ttl=MINUTE)
    state.put(OTHERS, "beside", Note("here"), ttl=MINUTE / 2)

    assert state.take_asking(NOTES, "one", OTHERS, "beside") == (Note("one"), Note("here"))
    assert state.take_asking(NOTES, "one", OTHERS, "beside") == (None, None)
    assert state.take_asking(NOTES, "two", OTHERS, "nothing") == (Note("two"), None)
    assert state.get(OTHERS, "beside") == Note("here")
    clock.step(seconds=30)
    assert state.take_asking(NOTES, "three", OTHERS, "beside") == (Note("three"), None)


def test_of_many_that_take_and_ask_at_once_one_gets_it(state: State) -> None:
    state.put(NOTES, "a", Note("ticket"), ttl=MINUTE)
    state.put(OTHERS, "b", Note("beside"), ttl=MINUTE)

    got = at_once(20, lambda _: state.take_asking(NOTES, "a", OTHERS, "b"))

    assert Counter(got) == Counter({(None, None): 19, (Note("ticket"), Note("beside")): 1})


def test_purge_removes_only_what_has_ended(state: State, clock: Clock) -> None:
    state.put(NOTES, "old", Note("old"), ttl=MINUTE)
    clock.step(minutes=2)
    state.put(NOTES, "new", Note("new"), ttl=MINUTE)

    state.store.purge(clock().timestamp())

    assert state.get(NOTES, "new") == Note("new")


@pytest.fixture(params=["redis", "sql"])
def dead_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "redis":
        yield RedisStore("redis://127.0.0.1:1/0")
        return
    store = SqlStore(f"sqlite:///{tmp_path}/state.db")
    with store._engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE state_entries")
    yield store
    store.close()


def test_a_store_that_is_down_raises_and_never_says_no_entry(dead_store: Store) -> None:
    state = State(dead_store)

    for act in (
        lambda: state.get(NOTES, "a"),
        lambda: state.take(NOTES, "a"),
        lambda: state.put(NOTES, "a", Note("x"), ttl=MINUTE),
        lambda: state.bump("tries", "a", ttl=MINUTE),
        lambda: state.count("tries", "a"),
    ):
        with pytest.raises(StateDown):
            act()

"""What may be used once is worth nothing on a Redis that may have forgotten that it was used (RC-06); needs no site."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from idp import session
from idp.db import db
from idp.session import Proof
from idp.state import Space, State, StateDown
from idp.state_redis import RedisStore
from tests.conftest import Clock
from tests.drills.stores import Redis

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Thing:
    word: str


ONCE, PLAIN = Space("lives-once", Thing, once=True), Space("lives-plain", Thing)


@pytest.fixture
def redis() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="sesame-lives-") as folder:
        server = Redis(Path(folder) / "redis").start()
        yield server
        server.kill()


@pytest.fixture
def state(redis: Redis) -> Iterator[State]:
    store = RedisStore(f"redis://127.0.0.1:{redis.port}/0")
    yield State(store)
    store.close()


@pytest.fixture
def forget_since(redis: Redis) -> Callable[[Callable[[], object]], None]:
    """Return an act: do something, of which Redis knows nothing after its restart from a snapshot."""

    def act(use: Callable[[], object]) -> None:
        redis.save()
        use()
        redis.kill()
        redis.start(empty=False)

    return act


def test_what_was_used_once_does_not_come_back_with_an_old_snapshot_RC_06(
    state: State, forget_since: Callable[[Callable[[], object]], None]
) -> None:
    for name in ("taken", "changed", "untouched"):
        state.put(ONCE, name, Thing("x"), ttl=MINUTE)
    state.put(PLAIN, "a", Thing("x"), ttl=MINUTE)

    def use() -> None:
        assert state.take(ONCE, "taken") == Thing("x")
        assert state.change(ONCE, "changed", lambda _old: Thing("used")) == Thing("used")

    forget_since(use)

    assert state.take_asking(ONCE, "taken", PLAIN, "a") == (None, None)
    assert state.change(ONCE, "changed", lambda _old: Thing("used")) is None
    assert state.get(ONCE, "untouched") is None
    assert state.get(ONCE, "untouched", even_lapsed=True) == Thing("x")
    assert state.get_together((ONCE, "changed"), (PLAIN, "a")) == (None, Thing("x"))
    # What is written now is good again.
    state.put(ONCE, "taken", Thing("new"), ttl=MINUTE)
    assert state.take(ONCE, "taken") == Thing("new")


def test_a_primary_that_is_demoted_and_promoted_again_begins_another_life_RC_02(redis: Redis, state: State) -> None:
    with tempfile.TemporaryDirectory(prefix="sesame-lives-") as folder:
        other = Redis(Path(folder) / "redis").start()
        try:
            other.follow(redis.port)
            for name in ("used", "unused"):
                state.put(ONCE, name, Thing("x"), ttl=MINUTE)
            wait_for(lambda: other.ask("DBSIZE") == 2)
            other.promote()
            # What the promoted one does not hear of.
            state.take(ONCE, "used")
            redis.follow(other.port)
            with pytest.raises(StateDown):
                state.put(ONCE, "to a replica", Thing("x"), ttl=MINUTE)
            redis.promote()

            assert redis.ask("DBSIZE") == 2
            assert state.take(ONCE, "used") is None
            state.put(ONCE, "new", Thing("x"), ttl=MINUTE)
            assert state.take(ONCE, "new") == Thing("x")
        finally:
            other.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def test_whoever_is_signed_in_stays_so_and_whoever_signed_out_too_RC_06(
    app: Flask, clock: Clock, state: State, forget_since: Callable[[Callable[[], object]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(app.extensions["sesame"], "state", state)
    with app.app_context():
        stays, leaves, rises = (sign_in(clock, f"account-{number}") for number in range(3))
        anonymous, _ = session.open_session(clock())

        def use() -> None:
            session.end_session(leaves, clock())
            assert session.renew_session(rises, clock()) is not None
            db.session.commit()

        forget_since(use)
        found = [session.find_session(cookie, clock()) for cookie in (stays, leaves, rises, anonymous)]
        again = session.find_session(stays, clock())

    assert [one is not None for one in found] == [True, False, False, False]
    assert again == found[0]


def test_a_password_that_is_changed_ends_a_session_of_before_RC_06(
    app: Flask, clock: Clock, state: State, forget_since: Callable[[Callable[[], object]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(app.extensions["sesame"], "state", state)
    with app.app_context():
        cookie = sign_in(clock, "account-1")
        forget_since(lambda: None)

        assert len(session.list_sessions("account-1", clock())) == 1
        assert session.end_sessions_of("account-1", clock()) == 1
        db.session.commit()

        assert session.find_session(cookie, clock()) is None


def sign_in(clock: Clock, account_id: str) -> str:
    proofs = (Proof("pwd", clock()), Proof("email", clock()))
    cookie, _ = session.sign_in_session(
        None, account_id=account_id, proofs=proofs, acr="urn:sesame:acr:2sv", amr=("pwd", "otp"), device_label="",
        now=clock(),
    )  # fmt: skip
    db.session.commit()
    return cookie

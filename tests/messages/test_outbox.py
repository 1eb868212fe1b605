"""What the outbox promises: nothing lost, nothing sent twice without need, nothing readable, nothing dead delivered."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from idp import leases
from idp.db import db
from idp.messages import outbox
from idp.messages.models import Outbox
from idp.messages.outbox import Claimed
from idp.messages.transport import Answer
from tests.conftest import ALICE_EMAIL, Clock

LEASE = timedelta(seconds=60)
Write = Callable[..., int]
ACCEPTED = Answer("accepted", "accepted", "relay:25", "id")
LATER = Answer("later", "later", "relay:25")


@pytest.fixture
def claim(app: Flask, clock: Clock) -> Callable[..., list[Claimed]]:
    def take(worker: str = "w1", limit: int = 10, channel: str = "email") -> list[Claimed]:
        with app.app_context():
            leases.take_back_abandoned(Outbox, clock())
            claimed = outbox.claim(channel=channel, worker=worker, limit=limit, lease=LEASE, now=clock())
            db.session.commit()
            return claimed

    return take


@pytest.fixture
def record(app: Flask, clock: Clock) -> Callable[..., Any]:
    def write(claimed: Claimed, answer: Answer) -> Any:
        with app.app_context():
            fate = outbox.record_answer(claimed, answer, clock())
            db.session.commit()
            return fate

    return write


def status_of(app: Flask, ref: str) -> str | None:
    with app.app_context():
        found = outbox.delivery_of(ref)
        return found.status if found else None


def drop(app: Flask, clock: Clock) -> list[outbox.Fate]:
    with app.app_context():
        fates = outbox.drop_dead(clock())
        db.session.commit()
        return fates


def test_message_of_a_transaction_that_is_rolled_back_is_never_sent(
    app: Flask, write: Write, claim: Any, context: Flask, clock: Clock
) -> None:
    outbox.enqueue(
        channel="email", to=ALICE_EMAIL, message=outbox.Message("", "x"), subject_ref="a:1", purpose="sign-in",
        account_id=None, deadline=None, now=clock(),
    )  # fmt: skip
    db.session.rollback()

    assert claim() == []


def test_double_click_writes_one_message_RC_18(write: Write, claim: Any) -> None:
    first, second = write("challenge:1:1"), write("challenge:1:1")

    assert first == second
    assert len(claim()) == 1


def test_nothing_readable_is_stored_even_while_it_waits(app: Flask, write: Write) -> None:
    write()

    with app.app_context():
        stored = " ".join(map(str, db.session.execute(text("SELECT * FROM outbox")).one()))
    assert "482915" not in stored
    assert ALICE_EMAIL not in stored


def test_claimed_message_belongs_to_one_worker(write: Write, claim: Any) -> None:
    write()

    assert [found.to for found in claim("w1")] == [ALICE_EMAIL]
    assert claim("w2") == []


def test_message_of_a_dead_worker_is_taken_when_its_lease_ends_RC_16(write: Write, claim: Any, clock: Clock) -> None:
    write()
    first = claim("w1")[0]

    clock.step(seconds=59)
    assert claim("w2") == []
    clock.step(seconds=1)
    second = claim("w2")[0]

    assert second.message == first.message
    assert (second.attempt, second.reference) == (2, first.reference)


def test_worker_that_lost_its_lease_changes_nothing(
    write: Write, claim: Any, record: Any, app: Flask, clock: Clock
) -> None:
    write()
    slow = claim("w1")[0]
    clock.step(seconds=61)
    claim("w2")

    assert record(slow, Answer("refused", "refused")) is None
    assert status_of(app, "challenge:1:1") == "sending"


def test_newest_first_in_a_backlog_RC_36(write: Write, claim: Any) -> None:
    for number in range(6):
        write(f"challenge-{number}:1:1")

    assert [found.id for found in claim(limit=2)] > [found.id for found in claim(limit=2)]


def test_expired_message_is_dropped_unsent_and_wiped_RC_36(
    app: Flask, write: Write, claim: Any, clock: Clock, row_of: Callable[[int], Outbox]
) -> None:
    row_id = write()
    clock.step(minutes=15)

    assert claim() == []
    assert [fate.answer_class for fate in drop(app, clock)] == ["deadline"]
    assert status_of(app, "challenge:1:1") == "expired"
    assert (row_of(row_id).content, row_of(row_id).recipient) == (None, None)


def test_code_that_was_replaced_is_not_delivered_after_its_successor(
    app: Flask, write: Write, claim: Any, clock: Clock
) -> None:
    write("challenge:1:1")
    write("other:1:1")
    write("challenge:2:2", channel="sms", to="+33612345647")

    assert len(claim()) == 1
    assert len(claim(channel="sms")) == 1
    clock.step(minutes=15)
    assert [fate.answer_class for fate in drop(app, clock)] == ["superseded"]
    assert status_of(app, "challenge:1:1") == "expired"


def test_retries_wait_longer_each_time_and_stop_before_the_deadline_RC_13(
    write: Write, claim: Any, record: Any, app: Flask, clock: Clock
) -> None:
    write()
    begun, tries = clock(), []
    while claimed := claim():
        tries.append((clock() - begun).total_seconds())
        record(claimed[0], LATER)
        if status_of(app, "challenge:1:1") != "queued":
            break
        while not (clock() - begun) >= timedelta(minutes=20):
            clock.step(seconds=10)
            with app.app_context():
                if db.session.query(Outbox).one().not_before <= clock():
                    break

    assert tries[:4] == [0, 30, 90, 210]
    assert tries[-1] < 900
    assert status_of(app, "challenge:1:1") == "expired"


def test_finished_rows_are_purged_after_their_time(
    write: Write, claim: Any, record: Any, app: Flask, clock: Clock
) -> None:
    write()
    write("waiting:1:1", channel="sms")
    record(claim()[0], ACCEPTED)
    keep = timedelta(hours=24)

    with app.app_context():
        assert outbox.purge_finished(keep=keep, now=clock.step(hours=23)) == 0
        assert outbox.purge_finished(keep=keep, now=clock.step(hours=1)) == 1
        db.session.commit()
        assert outbox.count_waiting() == {"sms": 1}


def test_damaged_row_is_refused_and_the_others_go_on(app: Flask, write: Write, claim: Any) -> None:
    damaged = write("damaged:1:1")
    write("good:1:1")
    with app.app_context():
        db.session.execute(text("UPDATE outbox SET content = :c WHERE id = :id"), {"c": b"\1" * 40, "id": damaged})
        db.session.commit()

    assert len(claim()) == 1
    assert status_of(app, "damaged:1:1") == "refused"


def test_delivery_tells_state_and_moment(app: Flask, write: Write, claim: Any, record: Any, clock: Clock) -> None:
    write()
    claimed = claim()[0]
    clock.step(seconds=3)
    fate = record(claimed, ACCEPTED)

    with app.app_context():
        found = outbox.delivery_of("challenge:1:1")
        assert outbox.delivery_of("unknown") is None
    assert found is not None
    assert (found.channel, found.status, found.at) == ("email", "accepted", clock())
    assert fate.status == "accepted"


def test_four_workers_take_forty_rows_once_each(app: Flask, write: Write, clock: Clock) -> None:
    for number in range(40):
        write(f"challenge-{number}:1:1")
    taken: list[int] = []
    at_once = threading.Barrier(4)

    def work(name: str) -> None:
        at_once.wait()
        while True:
            with app.app_context():
                claimed = outbox.claim(channel="email", worker=name, limit=3, lease=LEASE, now=clock())
                db.session.commit()
            if not claimed:
                return
            taken.extend(found.id for found in claimed)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == len(set(taken)) == 40


def test_work_is_seen_by_one_look_at_every_stage_rc_16_rc_11(
    app: Flask, write: Write, claim: Any, record: Any, clock: Clock
) -> None:
    def has_work() -> bool:
        with app.app_context():
            return outbox.has_work(clock())

    seen = [has_work()]
    write(deadline=clock() + timedelta(minutes=5))
    seen.append(has_work())
    [claimed] = claim()
    seen.append(has_work())
    clock.step(seconds=60)
    seen.append(has_work())
    # Its worker was only slow, and the relay asks to come back in half a minute.
    record(claimed, LATER)
    seen.append(has_work())
    clock.step(seconds=30)
    seen.append(has_work())
    record(claim()[0], Answer("later", "later", "relay:25", retry_after=timedelta(minutes=3)))
    seen.append(has_work())
    clock.step(minutes=4)
    seen.append(has_work())
    drop(app, clock)
    seen.append(has_work())

    assert seen == [False, True, False, True, False, True, False, True, False]


def test_a_message_that_dies_before_its_next_try_is_work_rc_11(app: Flask, write: Write, clock: Clock) -> None:
    write(deadline=clock() + timedelta(seconds=10), now=clock() + timedelta(minutes=1))
    clock.step(seconds=10)

    with app.app_context():
        assert outbox.has_work(clock())

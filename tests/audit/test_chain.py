"""Events are linked some time after they were written, each once, whoever wrote them and whoever links them."""

import threading

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from idp import audit
from idp.audit.chain import AuditLink, find_chain, seal_some, take_chain
from idp.audit.checkpoints import AuditCheckpoint, is_signed, list_checkpoints, make_key, public_keys
from idp.audit.sealing import seal, seal_all, watch
from idp.audit.trail import AuditEvent
from idp.audit.verify import verify
from idp.db import db
from tests.audit.conftest import Say
from tests.conftest import ALICE_EMAIL, ALICE_NIR, Clock


def test_an_event_is_written_without_a_look_at_the_chain(app: Flask, clock: Clock) -> None:
    """Two sign-ins at once must not wait for each other's place: writing one touches no row but its own."""
    statements: list[str] = []
    from sqlalchemy import event

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        audit.record("password")
        audit.flush()

    assert [one for one in statements if "audit" in one] == [one for one in statements if "INTO audit_events" in one]


def test_an_event_that_was_committed_late_gets_a_later_place(write: Say, tamper: Say, clock: Clock) -> None:
    write(3, sealed=False)
    ids = list(db.session.scalars(select(AuditEvent.id).order_by(AuditEvent.id)))
    waits = "SELECT uid, at, event, outcome, account_id, facts, mac FROM audit_events"
    tamper(f"CREATE TABLE late AS {waits} WHERE id = {ids[1]}", f"DELETE FROM audit_events WHERE id = {ids[1]}")
    seal(clock())
    db.session.commit()
    columns = "uid, at, event, outcome, account_id, facts, mac"
    tamper(f"INSERT INTO audit_events (id, {columns}) SELECT {ids[1]}, {columns} FROM late", "DROP TABLE late")
    clock.step(seconds=30)
    seal(clock())
    db.session.commit()

    order = list(db.session.scalars(select(AuditLink.event_id).order_by(AuditLink.position)))
    assert order == [ids[0], ids[2], ids[1]]
    assert verify(clock()).is_good


def is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def test_many_nodes_write_while_others_link_and_every_event_has_one_place(app: Flask, clock: Clock) -> None:
    def node(name: int) -> None:
        for number in range(20):
            with app.app_context():
                audit.record("password", node=name, number=number)
                audit.flush()

    def worker() -> None:
        for _ in range(15):
            with app.app_context():
                seal(clock())
                db.session.commit()

    threads = [threading.Thread(target=node, args=(name,)) for name in range(3)]
    threads += [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with app.app_context():
        seal_all(clock())
        verdict = verify(clock())
        linked = db.session.scalar(select(func.count(func.distinct(AuditLink.event_id))))
    assert verdict.is_good
    assert (verdict.events, linked, verdict.waiting) == (60, 60, 0)


def test_a_second_worker_leaves_the_chain_alone(app: Flask, write: Say, clock: Clock) -> None:
    if is_sqlite():
        pytest.skip("BEGIN IMMEDIATE keeps the second one out altogether")
    write(3, sealed=False)
    take_chain()
    db.session.commit()
    assert take_chain() is not None
    outcome: list[object] = []

    def other() -> None:
        with app.app_context():
            outcome.append(seal_some(clock()))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    db.session.rollback()

    assert outcome == [(None, 0)]


def test_a_checkpoint_is_signed_with_each_pass_and_one_stays_each_hour(write: Say, clock: Clock) -> None:
    write(3)
    write(3)
    clock.step(minutes=61)
    write(3)
    write(3)

    checkpoints = list_checkpoints()

    assert [one.position for one in checkpoints] == [6, 12]
    assert all(is_signed(one, public_keys()) for one in checkpoints)


def test_a_checkpoint_that_stays_is_a_line_of_the_log(write: Say, clock: Clock, told: list[dict[str, object]]) -> None:
    write(3)
    clock.step(minutes=61)
    write(3)

    lines = [line["checkpoint"] for line in told if line["event"] == "audit-checkpoint"]
    assert lines == [{name: getattr(list_checkpoints()[0], name) for name in list_checkpoints()[0].__slots__}]


def test_a_new_key_signs_and_the_old_one_is_still_known(write: Say, clock: Clock) -> None:
    write(3)
    clock.step(minutes=61)
    kid = make_key(clock())
    db.session.commit()
    write(3)

    assert [one.kid == kid for one in list_checkpoints()] == [False, True]
    assert verify(clock()).is_good


def test_no_private_key_stands_readable_in_the_table(write: Say) -> None:
    write(1)
    row = db.session.execute(text("SELECT sealed FROM audit_keys")).scalar_one()

    assert len(bytes(row)) > 64
    assert db.session.scalars(select(AuditCheckpoint)).one().kid.encode() not in bytes(row)


@pytest.mark.redacts
def test_what_looks_like_personal_data_is_blotted_out_of_an_event(context: Flask) -> None:
    audit.record("password", reason=f"typed {ALICE_NIR}", address=ALICE_EMAIL)
    audit.flush()

    event = db.session.scalars(select(AuditEvent)).one()
    assert (event.reason, event.facts) == ("typed [nir]", {"address": "[e-mail]"})


def test_the_lag_is_measured(write: Say, clock: Clock) -> None:
    write(2, sealed=False)
    clock.step(seconds=90)

    assert watch(clock()).total_seconds() > 89
    seal_all(clock())
    assert watch(clock()).total_seconds() == 0
    chain = find_chain()
    assert chain is not None
    assert chain.position == 2

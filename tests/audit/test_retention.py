"""What is old enough is forgotten, in batches, and the rest can still be verified (AC-221, F-03)."""

from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from idp.audit import AuditEvent
from idp.audit.chain import AuditLink
from idp.audit.checkpoints import find_cut
from idp.audit.retention import AT_ONCE, cut_when_due, forget_some
from idp.audit.sealing import forget, seal
from idp.audit.verify import verify
from idp.db import db
from tests.audit.conftest import Say
from tests.conftest import Clock

KEEP = timedelta(days=365)


@pytest.fixture
def old(write: Say, clock: Clock) -> None:
    """Write some events a year and a day ago, and some today."""
    write(12)
    clock.step(hours=2)
    write(8)
    clock.step(days=366)
    write(5)


def count(table: type) -> int:
    return int(db.session.scalar(select(func.count()).select_from(table)) or 0)


@pytest.mark.usefixtures("old")
def test_what_is_older_than_a_year_is_forgotten_and_the_rest_is_good(clock: Clock) -> None:
    forget(clock())
    db.session.commit()
    seal(clock())
    db.session.commit()

    verdict = verify(clock())

    assert verdict.is_good
    assert (verdict.first, verdict.events) == (21, 5)
    assert db.session.scalar(select(func.min(AuditEvent.id))) is not None
    assert count(AuditEvent) == count(AuditLink) == 5


@pytest.mark.usefixtures("old")
def test_a_cut_is_an_event_and_is_signed(clock: Clock) -> None:
    from idp import audit

    forget(clock())
    db.session.commit()
    audit.flush()

    cut = find_cut()
    assert cut is not None
    assert cut.position == 20
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.event == "audit-cut")).all()
    assert [one.facts for one in events] == [{"position": 20}]


@pytest.mark.usefixtures("old")
def test_a_worker_that_is_killed_while_it_forgets_leaves_a_good_trail(clock: Clock) -> None:
    cut_when_due(keep=KEEP, now=clock())
    db.session.commit()
    forget_some(keep=KEEP, now=clock(), limit=7)
    db.session.commit()

    assert verify(clock()).is_good
    while forget_some(keep=KEEP, now=clock(), limit=7):
        db.session.commit()
    assert verify(clock()).is_good


@pytest.mark.usefixtures("old")
def test_taking_old_events_away_without_a_signed_cut_is_found(tamper: Say, clock: Clock) -> None:
    tamper(
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_links WHERE position <= 12)",
        "DELETE FROM audit_links WHERE position <= 12",
    )

    assert [(one.what, one.position) for one in verify(clock()).findings] == [("removed", 1)]


@pytest.mark.usefixtures("old")
def test_a_cut_that_was_moved_is_not_believed(tamper: Say, clock: Clock) -> None:
    forget(clock())
    tamper(
        "UPDATE audit_checkpoints SET position = 22, link = (SELECT link FROM audit_links WHERE position = 22) "
        "WHERE kind = 'cut'",
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_links WHERE position <= 22)",
        "DELETE FROM audit_links WHERE position <= 22",
    )

    assert "unsigned" in {one.what for one in verify(clock()).findings}


def test_nothing_is_forgotten_before_its_time(write: Say, clock: Clock) -> None:
    write(12)
    clock.step(days=364)
    write(2)

    forget(clock())

    assert (count(AuditEvent), find_cut()) == (14, None)


def test_the_last_event_is_never_forgotten(write: Say, clock: Clock) -> None:
    write(12)
    clock.step(days=800)

    forget(clock())

    assert count(AuditEvent) == 12


def test_no_statement_takes_more_than_a_batch(write: Say, clock: Clock) -> None:
    """A transaction that forgets is short, whatever there is to forget: sign-ins wait for none of it."""
    write(AT_ONCE + 100)
    clock.step(hours=2)
    write(1)
    clock.step(days=400)
    write(1)
    cut_when_due(keep=KEEP, now=clock())
    db.session.commit()
    sizes: list[int] = []

    @event.listens_for(db.engine, "after_cursor_execute")
    def _measure(_connection: object, cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("DELETE FROM audit_events"):
            sizes.append(cursor.rowcount)  # type: ignore[attr-defined]

    while forget_some(keep=KEEP, now=clock()):
        db.session.commit()

    assert sizes[:2] == [AT_ONCE, 101]
    assert verify(clock()).is_good

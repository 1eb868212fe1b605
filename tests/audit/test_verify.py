"""What was done to the trail behind the provider's back is found, and is said of the right event."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, text

from idp.audit.chain import AuditLink
from idp.audit.checkpoints import list_checkpoints
from idp.audit.verify import Verdict, verify
from idp.db import db
from tests.audit.conftest import Say
from tests.conftest import Clock

Judge = Callable[[], Verdict]
EVENT = "(SELECT event_id FROM audit_links WHERE position = {})"


def event_at(position: int) -> int:
    found = db.session.scalar(select(AuditLink.event_id).where(AuditLink.position == position))
    assert found is not None
    return found


def told(verdict: Verdict) -> list[tuple[str, int | None]]:
    return [(one.what, one.position) for one in verdict.findings]


@pytest.mark.usefixtures("settled")
def test_a_trail_that_nobody_touched_is_good(judged: Judge) -> None:
    verdict = judged()

    assert verdict.is_good
    assert (verdict.events, verdict.first, verdict.last, verdict.waiting) == (32, 1, 32, 0)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "change",
    [
        "outcome = 'wrong'",
        "account_id = 'somebody-else'",
        "facts = '{\"number\": 99}'",
        "reference = '7KQ-4MX'",
        "administrator = 'root'",
        "client_id = 'other'",
        "reason = 'none'",
        "event = 'nothing'",
    ],
)
def test_a_changed_event_is_named(judged: Judge, tamper: Say, change: str) -> None:
    number = event_at(7)
    tamper(f"UPDATE audit_events SET {change} WHERE id = {number}")

    verdict = judged()

    assert told(verdict) == [("changed", 7)]
    assert verdict.findings[0].event_id == number


@pytest.mark.usefixtures("settled")
def test_a_changed_moment_is_found(judged: Judge, tamper: Say) -> None:
    tamper(f"UPDATE audit_events SET at = (SELECT max(at) FROM audit_events) WHERE id = {EVENT.format(3)}")

    assert told(judged()) == [("changed", 3)]


@pytest.mark.usefixtures("settled")
def test_a_changed_event_with_its_digest_is_found(judged: Judge, tamper: Say) -> None:
    tamper("UPDATE audit_links SET digest = link WHERE position = 7")

    assert {what for what, position in told(judged()) if position == 7} == {"changed", "broken"}


@pytest.mark.usefixtures("settled")
def test_a_removed_event_is_named(judged: Judge, tamper: Say) -> None:
    number = event_at(12)
    tamper(f"DELETE FROM audit_events WHERE id = {number}")

    verdict = judged()

    assert told(verdict) == [("removed", 12)]
    assert verdict.findings[0].event_id == number


@pytest.mark.usefixtures("settled")
def test_events_removed_with_their_places_are_named(judged: Judge, tamper: Say) -> None:
    tamper(
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_links WHERE position BETWEEN 10 AND 12)",
        "DELETE FROM audit_links WHERE position BETWEEN 10 AND 12",
    )

    verdict = judged()

    assert told(verdict) == [("removed", 10)]
    assert verdict.findings[0].detail == "positions 10 to 12 are not in the chain"


@pytest.mark.usefixtures("settled")
def test_events_removed_at_the_end_are_missed_by_the_checkpoint(judged: Judge, tamper: Say) -> None:
    tamper(
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_links WHERE position > 20)",
        "DELETE FROM audit_links WHERE position > 20",
    )

    assert told(judged()) == [("removed", 21)]


@pytest.mark.usefixtures("settled")
def test_an_end_that_was_taken_off_with_its_checkpoints_is_known_from_one_kept_elsewhere(
    judged: Judge, tamper: Say, write: Say, clock: Clock
) -> None:
    kept = list_checkpoints()
    tamper(
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_links WHERE position > 20)",
        "DELETE FROM audit_links WHERE position > 20",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_chain SET position = 20, link = (SELECT link FROM audit_links WHERE position = 20), "
        "settled_id = 0, settling_id = 0, highest_id = (SELECT max(event_id) FROM audit_links)",
    )
    write(3)

    assert judged().is_good  # nobody could know
    verdict = verify(clock(), kept=kept)

    assert ("removed", 24) in told(verdict)


@pytest.mark.usefixtures("settled")
def test_an_event_put_among_old_ones_is_named(judged: Judge, tamper: Say) -> None:
    number = event_at(15)
    tamper(
        f"DELETE FROM audit_links WHERE event_id > {number} AND position < 0",
        f"UPDATE audit_events SET id = -{number} WHERE id = {number}",
        "INSERT INTO audit_events (id, uid, at, event, outcome, facts, mac) SELECT "
        f"{number}, 'x', at, event, outcome, facts, mac FROM audit_events WHERE id = -{number}",
        f"UPDATE audit_links SET event_id = -{number} WHERE event_id = {number}",
    )

    verdict = judged()

    assert told(verdict) == [("inserted", None)]
    assert verdict.findings[0].event_id == number


@pytest.mark.usefixtures("settled")
def test_an_event_that_somebody_else_wrote_is_known_though_it_was_linked(
    judged: Judge, tamper: Say, write: Say
) -> None:
    tamper(
        "INSERT INTO audit_events (uid, at, event, outcome, account_id, facts, mac) SELECT "
        f"'forged', at, 'sign-in', 'ok', 'person-1', facts, mac FROM audit_events WHERE id = {EVENT.format(4)}"
    )
    write(2)

    verdict = judged()

    assert told(verdict) == [("inserted", 33)]


@pytest.mark.usefixtures("settled")
def test_a_copy_of_an_event_is_known(judged: Judge, tamper: Say, write: Say) -> None:
    columns = "uid, at, event, outcome, account_id, facts, mac"
    tamper(f"INSERT INTO audit_events ({columns}) SELECT {columns} FROM audit_events WHERE id = {EVENT.format(4)}")
    write(1)

    assert told(judged()) == [("inserted", 33)]


@pytest.mark.usefixtures("settled")
def test_two_events_that_changed_places_are_named(judged: Judge, tamper: Say) -> None:
    five, nine = event_at(5), event_at(9)
    tamper(
        "UPDATE audit_links SET event_id = -1 WHERE position = 5",
        f"UPDATE audit_links SET event_id = {five} WHERE position = 9",
        f"UPDATE audit_links SET event_id = {nine} WHERE position = 5",
    )

    verdict = judged()

    assert told(verdict) == [("reordered", 5), ("reordered", 9)]
    assert verdict.findings[0].detail == "the event of position 9 stands here"


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(("one", "other"), [(5, 9), (5, 6)])
def test_two_places_that_were_exchanged_are_named(judged: Judge, tamper: Say, one: int, other: int) -> None:
    tamper(
        f"UPDATE audit_links SET position = -1 WHERE position = {one}",
        f"UPDATE audit_links SET position = {one} WHERE position = {other}",
        f"UPDATE audit_links SET position = {other} WHERE position = -1",
    )

    verdict = judged()

    assert ("reordered", one) in told(verdict) or ("reordered", other) in told(verdict)


@pytest.mark.usefixtures("settled")
def test_a_chain_computed_anew_is_not_what_was_signed(judged: Judge, tamper: Say) -> None:
    """Whoever can write to every table, and has no key, cannot make the checkpoints fit."""
    from idp.audit.chain import first_link, next_link
    from idp.audit.trail import CONTENT, AuditEvent, canonical, digest_of

    tamper(f"UPDATE audit_events SET account_id = 'person-9' WHERE id = {EVENT.format(8)}")
    link = first_link(0)
    for place in db.session.scalars(select(AuditLink).order_by(AuditLink.position)).all():
        content = db.session.execute(select(*CONTENT).where(AuditEvent.id == place.event_id)).one()
        place.digest = digest_of(canonical(tuple(content)))
        link = place.link = next_link(link, place.position, place.digest)
    db.session.commit()

    verdict = judged()

    assert ("inserted", 8) in told(verdict)  # its keyed digest is wrong
    assert "rewritten" in {what for what, _ in told(verdict)}


@pytest.mark.usefixtures("settled")
def test_a_checkpoint_that_was_changed_is_not_signed(judged: Judge, tamper: Say) -> None:
    tamper("UPDATE audit_checkpoints SET position = position - 1")

    assert {what for what, _ in told(judged())} == {"unsigned"}


@pytest.mark.usefixtures("settled")
def test_a_key_that_was_slipped_in_signs_nothing(judged: Judge, tamper: Say) -> None:
    from idp.crypto import Unreadable

    other = "0" * 22
    tamper(f"UPDATE audit_keys SET kid = '{other}'", f"UPDATE audit_checkpoints SET kid = '{other}'")

    with pytest.raises(Unreadable):
        judged()


def test_events_that_nobody_links_are_counted(write: Say, judged: Judge, clock: Clock) -> None:
    write(5, sealed=False)
    clock.step(minutes=16)

    verdict = judged()

    assert (verdict.events, verdict.waiting) == (0, 5)
    assert verdict.lag.total_seconds() > 900


def test_the_trail_is_not_locked_while_it_is_verified(write: Say, judged: Judge) -> None:
    write(10)
    judged()

    assert db.session().in_transaction() is False or db.session.execute(text("SELECT 1")).scalar() == 1

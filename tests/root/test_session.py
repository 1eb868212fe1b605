"""A browser session holds what was proved, under an id that changes whenever the level rises, and really ends."""

from datetime import timedelta

from flask import Flask

from idp import crypto, session
from idp.db import db
from idp.session import Proof, Session, SessionRecord
from tests.conftest import Clock


def signed_in(clock: Clock, account_id: str = "a" * 22, cookie: str | None = None) -> tuple[str, Session]:
    proofs = (Proof("pwd", clock()), Proof("email", clock()))
    held = session.sign_in_session(
        cookie, account_id=account_id, proofs=proofs, acr="urn:sesame:acr:2sv", amr=("pwd", "otp"),
        device_label="Firefox, Windows", now=clock(),
    )  # fmt: skip
    db.session.commit()
    return held


def test_an_anonymous_session_is_found_by_its_cookie(context: Flask, clock: Clock) -> None:
    cookie, opened = session.open_session(clock())

    assert session.find_session(cookie, clock()) == opened
    assert opened.account_id is None


def test_rubbish_cookies_find_nothing(context: Flask, clock: Clock) -> None:
    for cookie in (None, "", "x", "x" * 10_000, "é\0"):
        assert session.find_session(cookie, clock()) is None


def test_the_state_holds_no_cookie_value(context: Flask, clock: Clock) -> None:
    cookie, _ = session.open_session(clock())

    stored = session.state.store.get((f"session:{crypto.fingerprint(cookie)}",), clock().timestamp())

    assert stored[0] is not None
    assert cookie not in stored[0].text


def test_a_renewed_session_leaves_its_old_id_dead_ac_21(context: Flask, clock: Clock) -> None:
    planted, _ = session.open_session(clock())

    renewed = session.renew_session(planted, clock())

    assert renewed is not None
    assert session.find_session(planted, clock()) is None
    assert session.find_session(renewed[0], clock()) is not None


def test_signing_in_leaves_the_old_id_dead_and_keeps_the_interactions(context: Flask, clock: Clock) -> None:
    planted, _ = session.open_session(clock())
    session.change_session(planted, lambda old: old.with_interaction("one"))

    cookie, held = signed_in(clock, cookie=planted)

    assert session.find_session(planted, clock()) is None
    assert held.interactions == ("one",)
    assert cookie != planted


def test_a_session_ends_after_half_an_hour_without_a_request_ac_163(context: Flask, clock: Clock) -> None:
    cookie, _ = signed_in(clock)

    clock.step(minutes=29)
    assert session.find_session(cookie, clock()) is not None
    clock.step(minutes=31)

    assert session.find_session(cookie, clock()) is None


def test_a_session_ends_after_twelve_hours_however_busy_ac_163(context: Flask, clock: Clock) -> None:
    cookie, _ = signed_in(clock)

    for _ in range(35):
        clock.step(minutes=20)
        assert session.find_session(cookie, clock()) is not None
    clock.step(minutes=20)

    assert session.find_session(cookie, clock()) is None


def test_another_person_in_the_same_browser_gets_another_session_ac_173(context: Flask, clock: Clock) -> None:
    cookie, first = signed_in(clock, "a" * 22)
    session.change_session(cookie, lambda old: old.with_client("caf"))

    _, second = signed_in(clock, "b" * 22, cookie)

    assert second.sid != first.sid
    assert second.clients == ()
    ended = db.session.get(SessionRecord, first.sid)
    assert ended is not None
    assert ended.ended_at == clock()


def test_a_step_up_keeps_the_session_of_the_same_person(context: Flask, clock: Clock) -> None:
    cookie, first = signed_in(clock)

    _, second = signed_in(clock, cookie=cookie)

    assert second.sid == first.sid


def test_all_sessions_of_a_person_can_be_ended_but_one(context: Flask, clock: Clock) -> None:
    (here, kept), (there, _), (other, _) = signed_in(clock), signed_in(clock), signed_in(clock, "b" * 22)

    ended = session.end_sessions_of("a" * 22, clock(), except_sid=kept.sid)
    db.session.commit()

    assert ended == 1
    assert session.find_session(there, clock()) is None
    assert session.find_session(here, clock()) is not None
    assert session.find_session(other, clock()) is not None


def test_a_cookie_copied_before_signing_out_is_dead_after_ac_162(context: Flask, clock: Clock) -> None:
    cookie, _ = signed_in(clock)

    session.end_session(cookie, clock())
    db.session.commit()

    assert session.find_session(cookie, clock()) is None


def test_the_fifty_first_session_of_a_person_ends_the_oldest_ac_170(context: Flask, clock: Clock) -> None:
    oldest, _ = signed_in(clock)
    for _ in range(50):
        clock.step(seconds=1)
        newest, _ = signed_in(clock)

    assert session.find_session(oldest, clock()) is None
    assert session.find_session(newest, clock()) is not None


def test_the_auth_time_is_the_last_proof_and_the_end_counts_from_the_first(context: Flask, clock: Clock) -> None:
    started = clock()
    proofs = (Proof("pwd", started), Proof("email", started + timedelta(minutes=5)))
    clock.step(minutes=5)

    _, held = session.sign_in_session(
        None, account_id="a" * 22, proofs=proofs, acr="x", amr=(), device_label="", now=clock()
    )

    assert held.auth_time == clock()
    assert held.ends_at == started + timedelta(hours=12)

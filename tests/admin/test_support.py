"""The support desk opens what it must, shows no secret to anybody, and the person sees that it happened."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp import clock as idp_clock
from idp import session
from idp.accounts import directory, throttle
from idp.accounts.models import Account
from idp.admin import support
from idp.admin.administrators import Administrator, find_administrator
from idp.admin.entry import CONSOLE, ConsoleSession
from idp.admin.faults import Conflict, Forbidden, Invalid, NotFound, TooOften
from idp.admin.support_view import plain, view_case
from idp.audit import AuditEvent, flush
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa import guard
from idp.session import Proof
from idp.settings import settings
from idp.state import state
from tests.admin.conftest import Acting
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ALICE_PASSWORD, ISSUER, Browser, Clock

SECRETS = (ALICE_NIR, ALICE_PASSWORD, ALICE_EMAIL, ALICE_MOBILE, ALICE_MOBILE[3:], "1 99 13 99", "alice.martin")
ACTED = ("support-unlocked", "support-change-advised")
BANNER = "Ne demandez jamais le code à 6 chiffres ni le mot de passe."


def open_alice(acting: Acting, who: str = ALICE_NIR, by: str = "sam", **more: Any) -> support.Case:
    return support.open_case(acting(by), who, **{"reason": "call", "now": idp_clock.now(), **more})


@pytest.mark.parametrize(
    "typed",
    [ALICE_NIR, "1 99 13 99 999 001", ALICE_EMAIL, "Alice.Martin@Example.fr", ALICE_MOBILE, "06 12 34 56 47"],
)
def test_an_account_is_opened_by_an_identifier_typed_whole(acting: Acting, alice: str, typed: str) -> None:
    assert open_alice(acting, typed).account_id == alice


@pytest.mark.parametrize("typed", ["alice", "Martin", "example.fr", "1991399", "", "%", "7KQ-4M", "06 12 34"])
def test_a_part_of_one_opens_nothing(acting: Acting, alice: str, typed: str) -> None:
    with pytest.raises((Invalid, NotFound)):
        open_alice(acting, typed)


def test_a_reference_opens_the_account_of_its_sign_in(acting: Acting, alice: str) -> None:
    event = AuditEvent(
        uid="x", at=idp_clock.now(), event="password", outcome="wrong", account_id=alice, reference="7KQ-4MX",
        facts={}, mac=b"",
    )  # fmt: skip
    db.session.add(event)
    db.session.commit()

    case = open_alice(acting, "7kq 4mx")

    assert (case.account_id, case.reference) == (alice, "7KQ-4MX")
    assert [one["event"] for one in view_case(case, idp_clock.now())["timeline"]] == ["password"]


def test_an_address_that_two_people_share_opens_neither(acting: Acting, alice: str) -> None:
    directory.add_account(nir="2991399999002", password=None, email=ALICE_EMAIL)
    db.session.commit()

    with pytest.raises(Conflict):
        open_alice(acting, ALICE_EMAIL)


@pytest.mark.parametrize("reason", ["", "because", "call "])
def test_without_a_reason_nothing_is_opened(acting: Acting, alice: str, reason: str) -> None:
    with pytest.raises(Invalid):
        open_alice(acting, reason=reason)


@pytest.mark.parametrize("ticket", [ALICE_NIR, "0612345647", ALICE_EMAIL, "Mme Martin", "A" * 20])
def test_a_ticket_number_holds_nothing_of_a_person(acting: Acting, alice: str, ticket: str) -> None:
    with pytest.raises(Invalid):
        open_alice(acting, ticket=ticket)


@pytest.mark.parametrize("name", ["eve", "ada", "rose", "rita", "kim", "otto", "both"])
def test_only_the_support_role_opens_accounts(acting: Acting, alice: str, name: str) -> None:
    """AC-195."""
    with pytest.raises(Forbidden):
        open_alice(acting, by=name)


def test_a_case_is_its_advisers_own_and_ends_after_a_quarter_of_an_hour(
    acting: Acting, alice: str, clock: Clock
) -> None:
    case = open_alice(acting)
    other = acting("eve").__class__("other", acting("sam").permissions, "console")

    with pytest.raises(NotFound):
        support.get_case(other, case.id)
    assert support.get_case(acting("sam"), case.id) == case
    clock.step(minutes=16)
    with pytest.raises(NotFound):
        support.get_case(acting("sam"), case.id)


def test_every_look_is_an_event_found_or_not(acting: Acting, alice: str) -> None:
    open_alice(acting, ticket="INC-42")
    with pytest.raises(NotFound):
        open_alice(acting, "2991399999002")
    flush()

    events = db.session.scalars(select(AuditEvent).where(AuditEvent.event == "support-viewed").order_by(AuditEvent.id))
    facts = [(one.outcome, one.account_id, one.administrator, one.reason, one.facts["by"]) for one in events]
    assert facts == [("found", alice, "sam", "call", "nir"), ("not-found", None, "sam", "call", "nir")]


def test_an_adviser_opens_no_more_accounts_than_people_call(
    acting: Acting, alice: str, with_settings: Callable[..., Any]
) -> None:
    with_settings(support={"views_per_hour": 2})
    open_alice(acting)
    with pytest.raises(NotFound):
        open_alice(acting, "2991399999002")

    with pytest.raises(TooOften):
        open_alice(acting)


def pause(account_id: str) -> None:
    """Have the account paused for passwords and for codes, on unknown devices."""
    now = idp_clock.now()
    account = directory.get_account(account_id)
    for number in range(settings.throttle.password_tries):
        throttle.spend_attempt(
            nir_index=account.nir_index, device=None, address=f"192.0.2.{number}", password="wrong-password", now=now
        )
    for _ in range(settings.code.account_failures):
        guard.count_try(account_id, guard.UNKNOWN_DEVICES, now)
    guard.begin_pause(account_id, guard.UNKNOWN_DEVICES, 0, now)


def test_pauses_are_shown_and_lifted_and_the_person_is_told(acting: Acting, alice: str, clock: Clock) -> None:
    pause(alice)
    case = open_alice(acting)
    shown = view_case(case, clock())["pauses"]

    support.lift_pauses(acting("sam"), case, clock())

    assert [(one.of, one.on_known_device) for one in shown] == [("password", False), ("code", False)]
    assert view_case(case, clock())["pauses"] == []
    purposes = set(db.session.scalars(select(Outbox.purpose)))
    assert purposes == {"alert-support-unlocked"}
    flush()
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.event == "support-unlocked")).one()
    assert (event.account_id, event.administrator, event.facts["passwords"], event.facts["codes"]) == (
        alice,
        "sam",
        1,
        1,
    )


def test_pauses_are_lifted_twice_a_day_at_most(acting: Acting, alice: str, clock: Clock) -> None:
    for _ in range(2):
        support.lift_pauses(acting("sam"), open_alice(acting), clock())

    with pytest.raises(TooOften):
        support.lift_pauses(acting("sam"), open_alice(acting), clock())
    clock.step(hours=25)
    support.lift_pauses(acting("sam"), open_alice(acting), clock())


def test_a_change_of_address_is_advised_and_never_made(acting: Acting, alice: str, clock: Clock) -> None:
    """AC-13: the desk has no way to set an address."""
    before = db.session.get_one(Account, alice).email_sealed
    case = open_alice(acting)

    support.advise_change(acting("sam"), case, "email", clock())

    assert db.session.get_one(Account, alice).email_sealed == before
    assert set(db.session.scalars(select(Outbox.purpose))) == {"alert-email-change-advised"}


def test_nobody_is_written_to_where_nothing_is_confirmed(acting: Acting, alice: str, clock: Clock) -> None:
    account = db.session.get_one(Account, alice)
    account.email_verified_at = account.mobile_verified_at = None
    db.session.commit()

    with pytest.raises(Conflict):
        support.advise_change(acting("sam"), open_alice(acting), "email", clock())


def test_what_is_shown_holds_no_secret(acting: Acting, alice: str, clock: Clock) -> None:
    """AC-14."""
    pause(alice)
    case = open_alice(acting)
    support.advise_change(acting("sam"), case, "mobile", clock())

    text = json.dumps(plain(view_case(case, clock())), ensure_ascii=False)

    assert not [secret for secret in SECRETS if secret in text]
    assert "a•••••n@e•••.fr" in text
    assert "•• •• •• •• 47" in text


# -- in the console ------------------------------------------------------------------------------------------------


@pytest.fixture
def console(app: Flask, administrators: dict[str, str], new_browser: Callable[[], Browser]) -> Callable[[str], Browser]:
    """Return browsers of administrators who have signed in with their passkey."""

    def make(name: str) -> Browser:
        now = idp_clock.now()
        with app.app_context():
            account_id = db.session.scalars(select(Administrator.account_id).where(Administrator.name == name)).one()
            cookie, held = session.sign_in_session(
                None, account_id=account_id, proofs=(Proof("passkey", now),), acr="phr", amr=("hwk",),
                device_label="", now=now,
            )  # fmt: skip
            db.session.commit()
            state.put(CONSOLE, str(held.sid), ConsoleSession(name, now), ttl=settings.admin.session_idle)
        browser = new_browser()
        browser.set_cookie("__Host-sid", cookie, domain="idp.test", secure=True, path="/")
        return browser

    return make


def send(browser: Browser, action: str, on: str = "/admin/support", **fields: Any) -> Any:
    return browser.submit(browser.get(on).text, action, **fields)


def test_an_adviser_opens_an_account_and_lifts_its_pause(
    app: Flask, console: Callable[[str], Browser], alice: str
) -> None:
    with app.app_context():
        pause(alice)
    browser = console("sam")

    answer = send(browser, "/admin/support", who=ALICE_NIR, reason="call")
    page = browser.get(answer.location)
    done = browser.submit(page.text, "/lift")
    after = browser.get(done.location)

    assert "fin\u00a0:" in page.text
    assert "Aucune pause." in after.text
    assert "La pause est levée." in after.text


def test_every_page_of_the_desk_says_never_to_ask_for_the_code(console: Callable[[str], Browser], alice: str) -> None:
    """AC-14."""
    browser = console("sam")
    case = send(browser, "/admin/support", who=ALICE_NIR, reason="call").location

    assert BANNER in browser.get("/admin/support").text
    assert BANNER in browser.get(case).text


def test_no_page_answer_or_header_of_the_desk_holds_a_secret(
    app: Flask, console: Callable[[str], Browser], alice: str
) -> None:
    """AC-14: whatever was typed or is known, nothing of it comes back."""
    browser = console("sam")
    answers = [browser.get("/admin/support")]
    for who in (ALICE_NIR, ALICE_EMAIL, ALICE_MOBILE, "nobody@example.org", "2991399999002", "alice.martin"):
        answers.append(send(browser, "/admin/support", who=who, reason="call"))
        answers.append(send(browser, "/admin/support", who=who, reason="call", ticket=ALICE_NIR))
    case = next(one.location for one in answers if one.status_code == 303)
    answers += [browser.get(case), browser.submit(browser.get(case).text, "/lift")]
    for kind in ("email", "mobile", "nir", "code"):
        answers.append(send(browser, "/advise", on=case, kind=kind))
    answers.append(browser.get(case))

    for answer in answers:
        whole = answer.text + str(answer.headers)
        assert not [secret for secret in SECRETS if secret in whole], answer.request.path
        text = re.sub(r"<[^>]*>", " ", answer.text)
        assert not re.search(r"(?<![\w-])\d{6}(?![\w-])", text), answer.request.path


@pytest.mark.parametrize("name", ["eve", "rita", "otto", "rose", "kim"])
def test_nobody_else_may_open_the_desk(console: Callable[[str], Browser], alice: str, name: str) -> None:
    """AC-195."""
    browser = console(name)

    for path in ("/admin/support", "/admin/support/x"):
        assert browser.get(path).status_code == 403
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}
    assert browser.post("/admin/support", data={"who": ALICE_NIR}, headers=headers).status_code == 403


def test_another_advisers_case_is_not_found(app: Flask, console: Callable[[str], Browser], alice: str) -> None:
    """AC-195, IDOR: an address that was guessed or passed on opens nothing and does nothing."""
    sam = console("sam")
    case = send(sam, "/admin/support", who=ALICE_NIR, reason="call").location
    page = sam.get(case).text
    with app.app_context():
        other = find_administrator("both")
        assert other is not None
        other.roles = ["support"]
        db.session.commit()
    both = console("both")
    csrf = re.search(r'name="csrf" value="([^"]*)"', both.get("/admin/support").text)
    assert csrf
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}

    answers = [both.get(case), both.get("/admin/support/AAAAAAAAAAAAAAAAAAAAAA")]
    for act, fields in (("lift", {}), ("advise", {"kind": "email"})):
        assert f"{case}/{act}" in page
        answers.append(both.post(f"{case}/{act}", data={"csrf": csrf[1], **fields}, headers=headers))

    assert console("sam").get(case).status_code == 200  # the same adviser in another browser
    assert [one.status_code for one in answers] == [404] * 4
    with app.app_context():
        done = db.session.scalars(select(AuditEvent.event).where(AuditEvent.event.in_(ACTED)))
        assert not list(done)


def test_a_form_of_the_desk_takes_nothing_but_what_it_asks(
    app: Flask, console: Callable[[str], Browser], alice: str
) -> None:
    """Over-posting (security.md J): who acts, whose account and what was found come from no field."""
    with app.app_context():
        bob = directory.add_account(nir="2991399999002", password=None, email="bob@example.org").id
        db.session.commit()
    browser = console("sam")
    more = {"account_id": bob, "opened_by": "rose", "administrator": "rose", "is_operator": "yes", "case_id": "x"}

    case = send(browser, "/admin/support", who=ALICE_NIR, reason="call", **more).location
    send(browser, "/lift", on=case, **more)

    with app.app_context():
        events = db.session.scalars(select(AuditEvent).where(AuditEvent.event.like("support-%")))
        assert {(one.event, one.account_id, one.administrator) for one in events} == {
            ("support-viewed", alice, "sam"), ("support-unlocked", alice, "sam"),
        }  # fmt: skip
    assert send(browser, "/admin/support", who=[ALICE_NIR, bob], reason="call").status_code == 400
    # An id is no identifier that a person can say: only at the machine is an account opened by it.
    assert send(browser, "/admin/support", who=bob, reason="call").status_code == 422


def test_the_person_sees_in_their_history_that_it_happened(
    app: Flask, console: Callable[[str], Browser], alice: str
) -> None:
    from idp.selfservice.history import list_entries

    browser = console("sam")
    case = send(browser, "/admin/support", who=ALICE_NIR, reason="call").location
    send(browser, "/lift", on=case)

    with app.app_context():
        told = [entry.text for entry in list_entries(alice, "")]

    assert set(told) == {"account.history.support_viewed", "account.history.support_unlocked"}

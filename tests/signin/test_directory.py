"""A whole sign-in whose first factor is an outside directory: a real OpenLDAP, asked through the pages."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from idp import audit, crypto
from idp.accounts import directory, provision
from idp.accounts.directories import init_directory, open_directory
from idp.accounts.models import Account
from idp.accounts.outside import Person
from idp.audit import AuditEvent
from idp.clock import now as clock_now
from idp.commands.checks import ok
from idp.commands.checks.relays import check_directory
from idp.db import db
from idp.messages.models import Outbox
from idp.settings import Settings
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ALICE_PASSWORD, Browser, Clock
from tests.signin.conftest import Visitor
from tests.signin.test_identify import UNKNOWN, what_a_stranger_sees
from tests.signin.test_passkey import answer, enrol
from tests.slapd import Slapd, hashed, ldap_settings

Visitors = Callable[[], Visitor]
NEW_PASSWORD = "another-long-password-7"


@pytest.fixture
def use(app: Flask, slapd: Slapd, with_settings: Callable[..., Settings]) -> Iterator[Callable[..., None]]:
    """Return an act that lets the provider ask the directory, with changed settings."""
    opened: list[Any] = []

    def ask(**changes: Any) -> None:
        outer = changes.pop("outer", {})
        settings = with_settings(directory="ldap", ldap=ldap_settings(slapd, **changes), **outer)
        opened.append(open_directory(settings))
        init_directory(app, opened[-1])

    yield ask
    init_directory(app, None)
    for one in opened:
        one.close()


@pytest.fixture
def there(slapd: Slapd, use: Callable[..., None]) -> str:
    """Put Alice into the directory, and nobody into the accounts."""
    use()
    return slapd.add_person("alice", ALICE_NIR, ALICE_PASSWORD, mail=ALICE_EMAIL, mobile="06 12 34 56 47")


@pytest.fixture
def new_visitor(app: Flask, new_browser: Callable[[], Browser]) -> Visitors:
    """Return a maker of visitors, without making an account for any."""
    return lambda: Visitor(app, new_browser())


@pytest.fixture
def visitor(new_visitor: Visitors) -> Visitor:
    return new_visitor()


def account_of(app: Flask, nir: str = ALICE_NIR) -> dict[str, Any]:
    """Return what is stored about somebody."""
    with app.app_context():
        account = directory.find_account_by_nir(nir)
        assert account is not None
        names = [
            "id",
            "email",
            "mobile",
            "profile",
            "status",
            "password_hash",
            "directory_checked_at",
            "left_directory_at",
        ]
        return {name: getattr(account, name) for name in names}


def recipient_of(row: Outbox) -> str:
    return crypto.unseal(row.recipient or b"", context=f"outbox:recipient:{row.idempotency_key}")


def events(app: Flask, name: str) -> list[tuple[str, str | None]]:
    with app.app_context():
        audit.flush()
        return [(row.outcome, row.reason) for row in db.session.query(AuditEvent).filter_by(event=name)]


def test_the_first_sign_in_makes_the_account_without_the_password(app: Flask, there: str, visitor: Visitor) -> None:
    visitor.sign_in()

    assert visitor.is_back
    account = account_of(app)
    assert (account["email"], account["mobile"]) == (ALICE_EMAIL, ALICE_MOBILE)
    assert account["profile"]["name"] == "Alice Martin"
    assert account["password_hash"] is None
    assert account["directory_checked_at"] is not None
    assert events(app, "account-provisioned") == [("ok", None)]


def test_the_second_sign_in_is_the_same_account(app: Flask, there: str, new_visitor: Visitors, clock: Clock) -> None:
    assert new_visitor().sign_in().is_back
    first = account_of(app)
    clock.step(minutes=1)
    assert new_visitor().sign_in("sms").is_back

    assert account_of(app)["id"] == first["id"]
    with app.app_context():
        assert db.session.query(Account).count() == 1


def test_unknown_wrong_left_and_ambiguous_look_the_same_ac_55(
    app: Flask, slapd: Slapd, there: str, use: Callable[..., None], new_visitor: Visitors
) -> None:
    use(filter="(&(objectClass=person)(!(employeeType=left)))")
    slapd.add_person("left", "2991399999004", ALICE_PASSWORD, employeeType="left")
    slapd.add_person("twin1", "2991399999005", ALICE_PASSWORD)
    slapd.add_person("twin2", "2991399999005", ALICE_PASSWORD)

    seen = [
        what_a_stranger_sees(new_visitor().start().identify(nir, password), nir)
        for nir, password in (
            (UNKNOWN, ALICE_PASSWORD), (ALICE_NIR, "not-her-password-1"), ("2991399999004", ALICE_PASSWORD),
            ("2991399999005", ALICE_PASSWORD),
        )
    ]  # fmt: skip

    assert all(one == seen[0] for one in seen)
    with app.app_context():
        assert db.session.query(Account).count() == 0


def test_wrong_passwords_pause_the_same_with_and_without_an_account_ac_57(
    there: str, new_visitor: Visitors, slapd: Slapd
) -> None:
    for nir in (ALICE_NIR, UNKNOWN):
        for _ in range(5):
            page = new_visitor().start().identify(nir, "not-her-password-1").page
        assert page.status_code == 429

    mark = slapd.mark()
    paused = new_visitor().start().identify(ALICE_NIR, ALICE_PASSWORD)

    assert paused.page.status_code == 429
    assert slapd.asked(mark) == [], "a pause asks nobody"


def test_a_directory_that_is_away_lets_nobody_in_and_counts_for_nobody(
    there: str, slapd: Slapd, new_visitor: Visitors
) -> None:
    slapd.stop()
    try:
        for _ in range(8):
            away = new_visitor().start().identify()
            assert away.page.status_code == 503
            assert "Retry-After" in away.page.headers
            assert "réessayez" in away.page.text
    finally:
        slapd.start()

    assert new_visitor().sign_in().is_back


@pytest.mark.parametrize("password", ["", "x" * 1025, "with\0nul-in-it-12"])
def test_what_can_be_nobodys_password_asks_no_directory_ac_59(
    there: str, slapd: Slapd, visitor: Visitor, password: str
) -> None:
    visitor.start()
    mark = slapd.mark()

    visitor.identify(ALICE_NIR, password)

    assert visitor.step == "identify"
    assert slapd.asked(mark) == []


def test_an_account_that_is_disabled_here_stays_out(
    app: Flask, there: str, new_visitor: Visitors, clock: Clock
) -> None:
    assert new_visitor().sign_in().is_back
    with app.app_context():
        account = directory.find_account_by_nir(ALICE_NIR)
        assert account is not None
        directory.set_status(account.id, "disabled", now=clock())
        db.session.commit()

    seen = [
        what_a_stranger_sees(new_visitor().start().identify(nir, ALICE_PASSWORD), nir) for nir in (ALICE_NIR, UNKNOWN)
    ]

    assert seen[0] == seen[1]


def test_a_new_address_in_the_directory_is_taken_over_and_told_to_the_old_one(
    app: Flask, there: str, slapd: Slapd, new_visitor: Visitors
) -> None:
    assert new_visitor().sign_in().is_back
    slapd.change(there, mail="alice@new.example.fr", mobile=None)

    new_visitor().start().identify()

    account = account_of(app)
    assert (account["email"], account["mobile"]) == ("alice@new.example.fr", None)
    with app.app_context():
        rows = [row for row in db.session.query(Outbox) if row.purpose.startswith("alert-") and row.recipient]
        told = {(row.channel, recipient_of(row), row.purpose) for row in rows}
    assert ("email", ALICE_EMAIL, "alert-email-changed") in told
    assert ("email", "alice@new.example.fr", "alert-email-changed") in told
    assert ("sms", ALICE_MOBILE, "alert-mobile-changed") in told


def test_a_mobile_that_is_none_is_passed_over(app: Flask, slapd: Slapd, there: str, visitor: Visitor) -> None:
    slapd.change(there, mobile="01 42 34 56 78")

    visitor.start().identify()

    account = account_of(app)
    assert account["mobile"] is None
    assert account["email"] == ALICE_EMAIL


def test_the_old_password_stops_working_when_the_directory_says_so(
    there: str, slapd: Slapd, new_visitor: Visitors
) -> None:
    assert new_visitor().sign_in().is_back
    slapd.change(there, userPassword=hashed(NEW_PASSWORD))

    assert new_visitor().start().identify().step == "identify"
    assert new_visitor().start().identify(password=NEW_PASSWORD).step == "send"


def test_a_local_password_is_not_asked_where_a_directory_is(
    app: Flask, slapd: Slapd, alice: str, use: Callable[..., None], new_visitor: Visitors
) -> None:
    use()
    slapd.add_person("alice", ALICE_NIR, NEW_PASSWORD, mail=ALICE_EMAIL)

    assert new_visitor().start().identify(password=ALICE_PASSWORD).step == "identify"
    assert new_visitor().start().identify(password=NEW_PASSWORD).step == "send"
    account = account_of(app)
    assert account["id"] == alice


def test_who_left_is_found_out_and_signed_out(
    app: Flask, there: str, slapd: Slapd, visitor: Visitor, new_visitor: Visitors, clock: Clock
) -> None:
    visitor.sign_in()
    with slapd.root() as root:
        assert root.delete(there)
    with app.app_context():
        provision.check_who_left(clock())
    assert account_of(app)["status"] == "active", "not asked again within the hour"

    clock.step(hours=1, minutes=1)
    with app.app_context():
        provision.check_who_left(clock())
        db.session.commit()
        audit.flush()

    account = account_of(app)
    assert account["status"] == "disabled"
    assert account["left_directory_at"] is not None
    assert events(app, "account-left") == [("ok", None)]
    assert visitor.browser.get("/account").status_code == 303, "the session ended"

    slapd.add_person("alice", ALICE_NIR, ALICE_PASSWORD, mail=ALICE_EMAIL)
    assert new_visitor().sign_in().is_back
    account = account_of(app)
    assert (account["status"], account["left_directory_at"]) == ("active", None)


def test_a_directory_that_is_away_puts_nobody_out(
    app: Flask, there: str, slapd: Slapd, visitor: Visitor, clock: Clock
) -> None:
    visitor.sign_in()
    clock.step(hours=2)
    slapd.stop()
    try:
        with app.app_context():
            provision.check_who_left(clock())
            db.session.commit()
    finally:
        slapd.start()

    account = account_of(app)
    assert account["status"] == "active"


def test_a_forgotten_password_leads_to_where_it_is_kept(
    there: str, visitor: Visitor, with_settings: Callable[..., Settings]
) -> None:
    with_settings(change_password_url="https://password.example.fr/")
    visitor.start().open("forgot")

    assert "https://password.example.fr/" in visitor.page.text
    assert "forgot/code" not in visitor.page.text
    assert visitor.open("forgot/code").step == "forgot"


def test_what_the_directory_keeps_is_not_changed_here(
    there: str, visitor: Visitor, with_settings: Callable[..., Settings]
) -> None:
    visitor.sign_in()
    for section in ("password", "email", "mobile"):
        page = visitor.browser.get(f"/account/{section}")
        assert page.status_code == 200
        assert "votre organisme" in page.text
        assert f'action="/account/{section}"' not in page.text
        token = visitor.browser.forms(visitor.browser.get("/account/sessions").text)[0]["csrf"]
        sent = visitor.browser.post(f"/account/{section}", data={"csrf": token, "contact": "eve@example.fr"})
        assert (sent.status_code, sent.headers["Location"]) == (303, f"/account/{section}")


def stop(app: Flask, clock: Clock) -> None:
    with app.app_context():
        account = directory.find_account_by_nir(ALICE_NIR)
        assert account is not None
        account.stopped_at = clock()
        db.session.commit()


def test_a_stopped_account_asks_for_a_change_where_the_password_is_kept(
    app: Flask, there: str, new_visitor: Visitors, clock: Clock
) -> None:
    assert new_visitor().sign_in().is_back
    clock.step(minutes=1)
    stop(app, clock)
    clock.step(minutes=1)
    again = new_visitor().start().identify().ask_for_code().type_code()
    assert again.step == "renew"
    assert "auprès de votre organisme" in again.page.text

    again.submit("renew")

    assert again.step == "identify", "the new password has to be typed"
    clock.step(minutes=1)
    again.identify().ask_for_code()
    assert again.step == "code", again.page.text
    again.type_code()
    assert again.is_back, again.step


def test_where_the_directory_tells_only_a_change_lifts_the_stop(
    app: Flask, slapd: Slapd, use: Callable[..., None], new_visitor: Visitors, clock: Clock
) -> None:
    use(attributes={"email": "mail", "password_changed": "pwdChangedTime"})
    there = slapd.add_person("alice", ALICE_NIR, ALICE_PASSWORD, mail=ALICE_EMAIL)
    assert new_visitor().sign_in().is_back
    clock.step(minutes=1)
    stop(app, clock)
    clock.step(minutes=1)
    again = new_visitor().start().identify().ask_for_code().type_code()
    assert again.step == "renew"

    clock.step(minutes=2)
    again.submit("renew").identify().ask_for_code().type_code()
    assert again.step == "renew", "nothing was changed"

    # The server's own clock writes the moment; ours is stepped past it.
    stopped_before_now(app)
    slapd.change(there, userPassword=hashed(NEW_PASSWORD))
    clock.step(minutes=2)
    again.submit("renew").identify(password=NEW_PASSWORD).ask_for_code().type_code()
    assert again.is_back


def stopped_before_now(app: Flask) -> None:
    """Move a stop into the past: the directory's clock is the real one, ours stands still."""
    from datetime import UTC, datetime, timedelta

    with app.app_context():
        account = directory.find_account_by_nir(ALICE_NIR)
        assert account is not None
        account.stopped_at = datetime.now(UTC) - timedelta(minutes=1)
        account.password_changed_at = datetime.now(UTC) - timedelta(minutes=2)
        db.session.commit()


def test_a_passkey_is_no_way_in_for_somebody_who_left(
    app: Flask, there: str, slapd: Slapd, new_visitor: Visitors, clock: Clock
) -> None:
    """AC-86 and R8: the passkey alone asks no password, so the directory is asked whether its person is still there."""
    assert new_visitor().sign_in().is_back
    phone = enrol(app, account_of(app)["id"])
    assert answer(new_visitor().start(), phone).is_back
    with slapd.root() as root:
        assert root.delete(there)

    clock.step(hours=2)
    refused = answer(new_visitor().start(), phone)

    assert refused.page.status_code == 422
    assert account_of(app)["status"] == "disabled"


def test_a_passkey_waits_for_a_directory_that_is_away(
    app: Flask, there: str, slapd: Slapd, new_visitor: Visitors, clock: Clock
) -> None:
    assert new_visitor().sign_in().is_back
    phone = enrol(app, account_of(app)["id"])
    clock.step(hours=2)
    slapd.stop()
    try:
        away = answer(new_visitor().start(), phone)
        assert away.page.status_code == 503
    finally:
        slapd.start()

    assert answer(new_visitor().start(), phone).is_back


def test_two_first_sign_ins_at_once_are_one_account(app: Flask, there: str) -> None:
    person = Person(ALICE_NIR, email=ALICE_EMAIL)
    asked, now = app.extensions["sesame"]["directory"], clock_now()
    together, ids = threading.Barrier(6), list[str]()

    def sign_in() -> None:
        with app.app_context():
            together.wait()
            account = provision.admit(person, asked, now=now)
            assert account is not None
            ids.append(account.id)

    threads = [threading.Thread(target=sign_in) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 6
    assert len(set(ids)) == 1
    with app.app_context():
        assert db.session.query(Account).count() == 1


def test_the_doctor_asks_the_directory(there: str, slapd: Slapd, app: Flask) -> None:
    with app.app_context():
        assert check_directory() == [ok("ldap: answers, and keeps email, mobile, profile")]
        slapd.stop()
        try:
            assert [(one.status, one.says[:11]) for one in check_directory()] == [("failure", "ldap: away ")]
        finally:
            slapd.start()

"""The page of a device asks for its code, leads through the whole sign-in, and always asks once more before it acts."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from idp.accounts import directory
from idp.audit import AuditEvent
from idp.db import db
from idp.messages import outbox
from idp.messages.models import Outbox
from idp.oidc.clients import suspend_client
from idp.oidc.consents import find_consent
from idp.signin.interaction import INTERACTIONS
from idp.state import state
from tests.conftest import ALICE_NIR, ISSUER, Browser, Clock
from tests.device.conftest import ELSEWHERE, Device, Person, Switch, another_code

People = Callable[..., Person]


def events(app: Flask, name: str) -> list[tuple[str, str | None]]:
    with app.app_context():
        trail = db.session.query(AuditEvent).filter_by(event=name).order_by(AuditEvent.id)
        return [(one.outcome, one.reason) for one in trail]


def test_a_person_connects_a_device(app: Flask, tv: Device, person: Person) -> None:
    person.type_user_code(tv.code.lower().replace("-", " "))
    assert person.step == "identify"
    assert "Caf TV sur un autre appareil" in person.page.text
    person.identify().ask_for_code().type_code()
    assert "Connecter cet appareil" in person.page.text
    assert tv.code in person.page.text

    person.allow()  # type: ignore[attr-defined]

    assert person.is_connected
    assert tv.poll().status_code == 200
    assert events(app, "device-allowed") == [("ok", None)]


def test_what_is_typed_wrong_is_said_and_kept(person: Person) -> None:
    person.type_user_code("WDJB-MJ0")

    assert person.page.status_code == 422
    assert 'value="WDJB-MJ0"' in person.page.text
    assert "pas de voyelles" in person.page.text
    assert "lettres. Vous en avez" in person.type_user_code("WDJB").page.text


def test_an_address_never_fills_the_code_in(person: Person, tv: Device) -> None:
    person.open(f"/device?user_code={tv.code}&code={tv.code}")

    assert tv.code not in person.page.text
    assert tv.code[:4] not in person.page.text


def test_nothing_happens_by_a_get(person: Person, tv: Device, clock: Clock) -> None:
    person.come_to_the_question(tv)
    where = person.page.request.path

    for query in ("", "?decision=allow&origin=seen", "?decision=deny&origin=given"):
        assert person.browser.get(where + query).status_code == 200
    assert person.browser.get(f"{where}/undo").status_code == 405
    assert tv.poll().json["error"] == "authorization_pending"


@pytest.mark.parametrize("where", ["/device", "link", "question", "undo"])
def test_no_form_is_taken_from_elsewhere(person: Person, tv: Device, where: str) -> None:
    person.come_to_the_question(tv)
    question = person.page.request.path
    path = {
        "/device": "/device",
        "link": tv.link.removeprefix(ISSUER),
        "question": question,
        "undo": f"{question}/undo",
    }
    fields = {"user_code": tv.code, "decision": "allow", "origin": "seen"}

    assert person.browser.post(path[where], data=fields).status_code == 403
    form = next(form for form in person.browser.forms(person.page.text) if form[""] == question)
    answer = person.browser.post(
        path[where], data={**form, **fields}, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert tv.poll().json["error"] == "authorization_pending"


def test_another_browser_does_not_get_the_question(person: Person, new_person: People, tv: Device) -> None:
    where = person.come_to_the_question(tv).page.request.path

    assert new_person().open(where).page.status_code in {400, 403}


def test_a_sign_in_for_something_else_is_no_answer_here_nor_the_other_way_round(
    app: Flask, person: Person, tv: Device
) -> None:
    from idp import clock as idp_clock
    from idp.oidc import registration

    with app.app_context():
        asked = {"client_id": "web", "name": "Web", "redirect_uris": ["https://rp.example.fr/callback"]}
        registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())
        db.session.commit()
    person.come_to_the_question(tv)
    here = person.page.request.path.rpartition("/")[2]
    there = Person(app, person.browser).start(prompt="login").id

    assert person.browser.get(f"/authorize/{here}").status_code == 404
    assert person.browser.get(f"/device/confirm/{there}").status_code == 404


def test_a_bad_decision_is_no_decision(person: Person, tv: Device) -> None:
    person.come_to_the_question(tv)

    assert person.answer_question("perhaps").page.status_code == 400
    assert tv.poll().json["error"] == "authorization_pending"


def test_expired_in_the_middle_of_the_sign_in_it_is_said(person: Person, tv: Device, clock: Clock) -> None:
    person.type_user_code(tv.code).identify().ask_for_code()  # type: ignore[attr-defined]
    clock.step(minutes=10)

    person.type_code()

    assert person.page.status_code == 410
    assert "plus valable" in person.page.text
    assert tv.poll().json["error"] == "expired_token"


def test_expired_while_the_question_is_read_it_is_said(person: Person, tv: Device, clock: Clock) -> None:
    person.come_to_the_question(tv)
    clock.step(minutes=10)

    person.allow()

    assert person.page.status_code == 410
    assert tv.poll().json["error"] == "expired_token"


def test_an_account_suspended_in_between_connects_nothing(app: Flask, person: Person, tv: Device, clock: Clock) -> None:
    person.come_to_the_question(tv)
    with app.app_context():
        account = directory.find_account_by_nir(ALICE_NIR)
        assert account is not None
        directory.set_status(account.id, "restricted", now=clock())
        db.session.commit()

    person.allow()

    assert person.page.status_code == 400
    assert tv.poll().json["error"] == "authorization_pending"
    assert f"/device/{tv.link.rpartition('/')[2]}" in person.page.text


def test_a_password_changed_in_between_asks_for_the_new_one(
    app: Flask, person: Person, tv: Device, clock: Clock
) -> None:
    person.come_to_the_question(tv)
    clock.step(seconds=2)
    with app.app_context():
        account = directory.find_account_by_nir(ALICE_NIR)
        assert account is not None
        directory.set_password(account.id, "another-horse-7-battery", now=clock())
        db.session.commit()
    person.allow()
    assert person.page.status_code == 400

    person.follow_link(tv)

    assert person.step == "identify"
    assert tv.poll().json["error"] == "authorization_pending"


def test_signed_out_in_between_connects_nothing(person: Person, tv: Device) -> None:
    person.come_to_the_question(tv)
    question = person.page
    person.open("/logout").submit("logout")
    person.page = question

    assert person.allow().page.status_code in {400, 403}
    assert tv.poll().json["error"] == "authorization_pending"


def test_a_client_suspended_in_between_connects_nothing(app: Flask, person: Person, tv: Device, clock: Clock) -> None:
    person.come_to_the_question(tv)
    with app.app_context():
        suspend_client("tv", clock())
        db.session.commit()

    assert person.allow().page.status_code == 403


def test_a_cancelled_sign_in_connects_nothing_and_may_begin_again(person: Person, tv: Device) -> None:
    person.type_user_code(tv.code).submit("cancel")

    assert "arrêté la connexion" in person.page.text
    assert tv.poll().json["error"] == "authorization_pending"
    assert person.type_user_code(tv.code).step == "identify"


def test_the_code_is_gone_once_it_is_answered(person: Person, new_person: People, tv: Device) -> None:
    person.come_to_the_question(tv).answer_question("deny")

    assert new_person().type_user_code(tv.code).page.status_code == 422
    assert new_person().open(tv.link.removeprefix(ISSUER)).page.status_code == 410


def test_a_third_party_says_what_it_will_learn_and_that_is_remembered(
    app: Flask, switch_on: Switch, person: Person, alice: str
) -> None:
    cinema = switch_on("cinema", scope="openid email")
    person.come_to_the_question(cinema)
    assert "votre adresse e-mail" in person.page.text
    assert "date de naissance" not in person.page.text

    person.allow()

    assert person.is_connected
    with app.app_context():
        consent = find_consent(alice, "cinema")
        assert consent is not None
        assert set(consent.scopes) == {"openid", "email"}


def test_denied_nothing_is_remembered(app: Flask, switch_on: Switch, person: Person, alice: str) -> None:
    person.come_to_the_question(switch_on("cinema")).answer_question("deny")

    with app.app_context():
        assert find_consent(alice, "cinema") is None


@pytest.mark.parametrize(
    ("locale", "words"), [("fr", ["Caf TV", "Changez votre mot de passe"]), ("en", ["Caf TV", "Change your password"])]
)
def test_the_account_holder_is_told(app: Flask, person: Person, tv: Device, locale: str, words: list[str]) -> None:
    with app.app_context():
        account = directory.find_account_by_nir(ALICE_NIR)
        assert account is not None
        account.locale = locale
        db.session.commit()
    person.come_to_the_question(tv)

    person.allow()

    with app.app_context():
        told = db.session.query(Outbox).filter_by(purpose="device").one()
        assert (told.channel, told.account_id) == ("email", account.id)
        claimed = outbox.claim(
            channel="email", worker="w", limit=5, lease=app.extensions["sesame"]["settings"].outbox.lease,
            now=told.created_at,
        )  # fmt: skip
        message = next(one.message for one in claimed if one.purpose == "device")
        for form in (message.text, message.html):
            assert all(word in form for word in words)
            assert "http" not in form
            assert tv.code not in form
        db.session.rollback()


@pytest.mark.parametrize("collected", [True, False])
def test_it_can_be_undone_on_the_spot(app: Flask, person: Person, tv: Device, http: Browser, collected: bool) -> None:
    person.come_to_the_question(tv).allow()
    tokens = tv.poll().json if collected else {}

    person.submit("undo")

    assert "déconnecté" in person.page.text
    assert not person.is_connected
    if collected:
        assert http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).status_code == 401
        answer = tv.post("/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert answer.json["error"] == "invalid_grant"
    else:
        assert tv.poll().json["error"] == "access_denied"
    assert events(app, "device-undone") == [("ok", None)]


def test_a_grant_undone_while_it_is_collected_begins_no_family(app: Flask, person: Person, tv: Device) -> None:
    """The poll has taken the request, and the undo comes before the family is written: the family ends with it."""
    from idp import clock as idp_clock
    from idp.oidc.refresh import revoke_grant

    person.come_to_the_question(tv).allow()
    with app.app_context():
        interaction = state.get(INTERACTIONS, person.page.request.path.rpartition("/")[2])
        assert interaction is not None
        revoke_grant(interaction.payload["grant"], idp_clock.now(), reason="device-undone")

    assert tv.poll().json["error"] == "invalid_grant"


def test_a_device_elsewhere_may_be_ones_own(switch_on: Switch, person: Person) -> None:
    """A phone without Wi-Fi and a television with it: said to be a risk, and possible."""
    tv = switch_on(address=ELSEWHERE)
    person.come_to_the_question(tv)
    assert "un autre que le vôtre" in person.page.text

    person.allow(user_code=tv.code[5:].lower())

    assert person.is_connected


def test_minutes_pass_and_are_said(person: Person, tv: Device, clock: Clock) -> None:
    clock.step(minutes=3)

    assert "il y a 3 minutes" in person.come_to_the_question(tv).page.text


def test_the_pages_speak_english(person: Person, tv: Device) -> None:
    page = person.browser.get(tv.link.removeprefix(ISSUER) + "?ui_locales=en")

    assert "A device asks to be connected" in page.text
    assert "Connect a device" in person.browser.get("/device?ui_locales=en").text


def test_a_second_press_on_allow_shows_what_is_true(person: Person, tv: Device) -> None:
    person.come_to_the_question(tv)
    question = person.page
    person.allow()
    person.page = question

    assert person.allow().is_connected


def test_a_lost_interaction_says_so(app: Flask, person: Person, tv: Device) -> None:
    person.come_to_the_question(tv)
    where = person.page.request.path
    with app.app_context():
        state.delete(INTERACTIONS, where.rpartition("/")[2])

    assert person.open(where).page.status_code == 400


def test_another_person_in_another_tab_is_not_asked(app: Flask, person: Person, tv: Device) -> None:
    person.come_to_the_question(tv)
    where = person.page.request.path
    with app.app_context():
        state.change(INTERACTIONS, where.rpartition("/")[2], lambda old: replace(old, account_id="somebody-else"))

    assert person.open(where).page.status_code == 400


def test_a_wrong_letter_is_no_code(person: Person, tv: Device) -> None:
    person.type_user_code(another_code(tv.code))

    assert "Aucun appareil" in person.page.text

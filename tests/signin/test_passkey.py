"""A person signs in with a passkey: as the second step, as all of it, and during every pause."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp import clock as idp_clock
from idp.accounts import directory
from idp.audit import AuditEvent
from idp.db import db
from idp.mfa import guard, passkeys
from idp.mfa.webauthn import ask_to_register, check_registration
from idp.session import SessionRecord
from tests.conftest import ALICE_NIR, ISSUER, Clock
from tests.mfa.authenticator import Authenticator
from tests.signin.conftest import Visitor
from tests.signin.test_walk import add_bob

Visitors = Callable[[], Visitor]
PHR = "phr"


def enrol(app: Flask, account_id: str, phone: Authenticator | None = None) -> Authenticator:
    """Give an account a passkey, as « Gérer mon compte » does."""
    phone = phone or Authenticator()
    with app.app_context():
        handle = passkeys.ensure_user_handle(account_id)
        options = ask_to_register(account_id=account_id, user_handle=handle, user_name="x", known=(), place="p")
        new = check_registration(phone.create(options), account_id=account_id, place="p")
        passkeys.add_passkey(account_id, new, name="Téléphone", now=idp_clock.now())
        db.session.commit()
    return phone


def options_for(visitor: Visitor, **changes: Any) -> Any:
    """Ask for a challenge as the page's script does."""
    form = next(form for form in visitor.browser.forms(visitor.page.text) if form[""].endswith("/passkey"))
    return visitor.browser.post(
        f"{form['']}/options",
        data={"csrf": form["csrf"], **changes},
        headers={"Sec-Fetch-Site": "same-origin", "Origin": ISSUER},
    )


def answer(visitor: Visitor, phone: Authenticator, **lies: Any) -> Visitor:
    """Press « Utiliser mon visage ou mon empreinte »."""
    return visitor.submit("passkey", answer=phone.get(options_for(visitor).json, **lies))


def acr_of(app: Flask, account_id: str) -> str | None:
    """Return the level of an account's last session."""
    with app.app_context():
        query = db.session.query(SessionRecord.acr).filter_by(account_id=account_id)
        found = query.order_by(SessionRecord.created_at.desc()).limit(1).scalar()
        db.session.rollback()
    return found


@pytest.fixture
def phone(app: Flask, alice: str) -> Authenticator:
    return enrol(app, alice)


# -- all of the sign-in --------------------------------------------------------------------------------------------


def test_a_passkey_is_the_whole_sign_in(app: Flask, alice: str, visitor: Visitor, phone: Authenticator) -> None:
    visitor.start()
    answer(visitor, phone)

    assert visitor.is_back
    assert set(visitor.told) == {"code", "state", "iss"}
    assert acr_of(app, alice) == PHR


def test_the_page_offers_it_to_everybody_and_names_nobody_ac_56(app: Flask, visitor: Visitor, alice: str) -> None:
    """The button, the options and their size are the same whether or not the number typed has a passkey."""
    visitor.start()
    without = options_for(visitor).json
    visitor.identify(password="wrong-password-1")
    enrol(app, alice)
    with_one = options_for(visitor).json

    assert without["allowCredentials"] == with_one["allowCredentials"] == []
    assert set(without) == set(with_one)
    assert without["challenge"] != with_one["challenge"]


def test_the_number_field_asks_for_suggestions_of_passkeys(visitor: Visitor) -> None:
    visitor.start()

    assert 'autocomplete="username webauthn"' in visitor.page.text
    assert "passkeys.js" in visitor.page.text


def test_it_can_be_switched_off(app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    known = app.extensions["sesame"]["settings"]
    monkeypatch.setitem(app.extensions["sesame"], "settings", known.model_copy(update={"passkey_signin": False}))
    visitor.start()

    assert "passkey-submit" not in visitor.page.text
    assert 'autocomplete="username"' in visitor.page.text
    csrf = visitor.browser.forms(visitor.page.text)[0]["csrf"]
    refused = visitor.browser.post(f"/signin/{visitor.id}/passkey/options", data={"csrf": csrf})
    assert refused.status_code == 404


def test_it_satisfies_every_level(app: Flask, visitor: Visitor, phone: Authenticator) -> None:
    demand = {"id_token": {"acr": {"essential": True, "value": PHR}}}
    visitor.start(claims=json.dumps(demand))
    answer(visitor, phone)

    assert "code" in visitor.told


def test_it_works_while_passwords_pause_ac_54(visitor: Visitor, phone: Authenticator) -> None:
    visitor.start()
    for _ in range(5):
        visitor.identify(password="wrong-password-1")
    assert visitor.page.status_code == 429
    assert 'id="passkey-submit"' in visitor.page.text

    answer(visitor, phone)

    assert "code" in visitor.told


def test_a_disabled_account_is_refused_as_any_failure(
    app: Flask, alice: str, visitor: Visitor, phone: Authenticator, clock: Clock
) -> None:
    with app.app_context():
        directory.set_status(alice, "disabled", now=clock())
        db.session.commit()
    visitor.start()
    answer(visitor, phone)

    assert visitor.page.status_code == 422
    assert "data-signal-unknown" not in visitor.page.text
    assert acr_of(app, alice) is None


def test_a_restricted_account_is_told_to_ask(
    app: Flask, alice: str, visitor: Visitor, phone: Authenticator, clock: Clock
) -> None:
    with app.app_context():
        directory.set_status(alice, "restricted", now=clock())
        db.session.commit()
    visitor.start()
    answer(visitor, phone)

    assert visitor.step == "restricted"


def test_an_unknown_passkey_is_told_to_the_phone(app: Flask, visitor: Visitor, phone: Authenticator) -> None:
    visitor.start()
    answer(visitor, phone, told_id=b"n" * 32)

    assert visitor.page.status_code == 422
    assert 'data-signal-unknown="bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4"' in visitor.page.text
    assert 'data-rp="idp.test"' in visitor.page.text


def test_the_session_gets_a_new_id_ac_21(visitor: Visitor, phone: Authenticator) -> None:
    visitor.start()
    before = visitor.browser.get_cookie("__Host-sid", "idp.test")
    answer(visitor, phone)
    after = visitor.browser.get_cookie("__Host-sid", "idp.test")

    assert before is not None
    assert after is not None
    assert before.value != after.value


def test_a_passkey_of_someone_else_signs_them_in_and_nobody_else(
    app: Flask, alice: str, visitor: Visitor, phone: Authenticator
) -> None:
    """Two people at one browser: what the first one had proved is dropped."""
    bob = add_bob(app)
    bobs = enrol(app, bob)
    visitor.start().identify()
    assert visitor.step == "send"
    visitor.submit("switch")
    answer(visitor, bobs)

    assert "code" in visitor.told
    assert acr_of(app, bob) == PHR
    assert acr_of(app, alice) is None


# -- the second step -----------------------------------------------------------------------------------------------


def test_a_passkey_is_the_second_step(app: Flask, alice: str, visitor: Visitor, phone: Authenticator) -> None:
    visitor.start().identify()
    assert visitor.step == "send"

    options = options_for(visitor).json
    assert len(options["allowCredentials"]) == 1
    assert options["allowCredentials"][0]["transports"] == ["hybrid", "internal"]
    visitor.submit("passkey", answer=phone.get(options))

    assert "code" in visitor.told
    assert acr_of(app, alice) == PHR


def test_without_a_passkey_none_is_offered_and_codes_go_on(visitor: Visitor) -> None:
    visitor.start().identify()

    assert "passkey-submit" not in visitor.page.text
    visitor.ask_for_code().type_code()
    assert "code" in visitor.told


def test_without_javascript_the_code_is_still_there(app: Flask, alice: str, visitor: Visitor, phone: Any) -> None:
    """AC-87: a code by e-mail stays possible beside a passkey, and says of itself that it is worth less."""
    visitor.start().identify().ask_for_code().type_code()

    assert "code" in visitor.told
    assert acr_of(app, alice) == "urn:sesame:acr:2sv"


def test_a_mailed_code_is_not_enough_where_a_passkey_is_demanded_ac_87(visitor: Visitor, phone: Authenticator) -> None:
    visitor.start(claims=json.dumps({"id_token": {"acr": {"essential": True, "value": PHR}}})).identify()
    assert visitor.step == "passkey"

    visitor.browser.post(f"/signin/{visitor.id}/send", data={"channel": "email"})
    visitor.open("send")
    assert visitor.step == "passkey"
    answer(visitor, phone)
    assert "code" in visitor.told


def test_who_has_no_passkey_and_needs_one_goes_back_with_the_error_ac_87(visitor: Visitor) -> None:
    visitor.start(claims=json.dumps({"id_token": {"acr": {"essential": True, "value": PHR}}})).identify()

    assert visitor.told["error"] == "unmet_authentication_requirements"


def test_an_account_with_a_passkey_and_no_address_signs_in_ac_04(app: Flask, new_visitor: Visitors) -> None:
    phone = enrol(app, add_bob(app, email=None))
    visitor = new_visitor().start().identify("299132A999003", "bobs-long-password-1")
    assert visitor.step == "passkey"

    answer(visitor, phone)

    assert "code" in visitor.told


def test_someone_elses_passkey_is_no_second_step_ac_80(
    app: Flask, alice: str, visitor: Visitor, phone: Authenticator
) -> None:
    bobs = enrol(app, add_bob(app))
    visitor.start().identify()

    answer(visitor, bobs)

    assert visitor.page.status_code == 422
    assert visitor.open("").step == "send"
    assert acr_of(app, alice) is None


def test_it_works_while_codes_pause(
    app: Flask, alice: str, visitor: Visitor, phone: Authenticator, clock: Clock
) -> None:
    visitor.start().identify()
    with app.app_context():
        guard.count_try(alice, guard.UNKNOWN_DEVICES, clock())
        guard.begin_pause(alice, guard.UNKNOWN_DEVICES, 0, clock())
    visitor.open("send")
    assert visitor.step == "pause"

    answer(visitor, phone)

    assert "code" in visitor.told


def test_a_stopped_account_is_not_stopped_for_its_passkey(
    app: Flask, alice: str, visitor: Visitor, phone: Authenticator, clock: Clock
) -> None:
    visitor.start().identify()
    with app.app_context():
        guard.count_try(alice, guard.UNKNOWN_DEVICES, clock())
        db.session.query(guard.CodeGuard).update({"failures": 100})
        db.session.commit()
    visitor.open("pause")
    assert visitor.page.status_code == 403

    answer(visitor, phone)

    assert "code" in visitor.told


def test_a_passkey_removed_while_its_owner_walks_counts_no_more_ac_86(
    app: Flask, alice: str, visitor: Visitor, phone: Authenticator, clock: Clock
) -> None:
    visitor.start(client_id="shop")
    answer(visitor, phone)
    assert visitor.step == "consent"
    with app.app_context():
        passkeys.revoke_passkey(passkeys.list_passkeys(alice)[0], clock.step(seconds=5))
        db.session.commit()

    visitor.open("consent")

    assert visitor.step == "identify"


def test_a_removed_passkey_raises_no_level_either_ac_86(
    app: Flask, alice: str, visitor: Visitor, phone: Authenticator, clock: Clock
) -> None:
    visitor.start(client_id="shop").identify()
    answer(visitor, phone)
    assert visitor.step == "consent"
    with app.app_context():
        passkeys.revoke_passkey(passkeys.list_passkeys(alice)[0], clock.step(seconds=5))
        db.session.commit()

    visitor.open("consent")
    assert visitor.step == "send"
    visitor.ask_for_code().type_code().submit("consent", decision="allow")

    assert "code" in visitor.told
    assert acr_of(app, alice) == "urn:sesame:acr:2sv"


# -- tricks --------------------------------------------------------------------------------------------------------


def test_an_answer_counts_once_through_the_pages_ac_73(new_visitor: Visitors, app: Flask, phone: Authenticator) -> None:
    visitor = new_visitor().start()
    signed = phone.get(options_for(visitor).json)
    html, path = visitor.page.text, f"/signin/{visitor.id}/passkey"
    visitor.submit("passkey", answer=signed)
    assert "code" in visitor.told

    again = visitor.browser.submit(html, "/passkey", answer=signed)
    assert again.status_code in {303, 403}
    assert "code=" not in again.headers.get("Location", "")
    other = new_visitor().start()
    other.submit("passkey", answer=signed)
    assert other.page.status_code == 422
    assert path not in other.page.request.path


def test_a_challenge_of_another_browser_or_sign_in_is_refused_ac_75(
    new_visitor: Visitors, phone: Authenticator
) -> None:
    attacker, victim = new_visitor().start(), new_visitor().start()
    signed = phone.get(options_for(attacker).json)

    victim.submit("passkey", answer=signed)
    assert victim.page.status_code == 422

    first = new_visitor().start()
    signed = phone.get(options_for(first).json)
    second = first.start(state="other")
    second.submit("passkey", answer=signed)
    assert second.page.status_code == 422


def test_a_challenge_from_before_the_password_is_none_for_after_it(visitor: Visitor, phone: Authenticator) -> None:
    visitor.start()
    early = phone.get(options_for(visitor).json)
    visitor.identify()

    visitor.submit("passkey", answer=early)

    assert visitor.page.status_code == 422


def test_foreign_pages_get_no_challenge_and_no_answer_in_ac_83(visitor: Visitor, phone: Authenticator) -> None:
    visitor.start()
    form = next(form for form in visitor.browser.forms(visitor.page.text) if form[""].endswith("/passkey"))
    for path in ("passkey/options", "passkey"):
        url = f"/signin/{visitor.id}/{path}"
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}):
            refused = visitor.browser.post(url, data={"csrf": form["csrf"], "answer": "{}"}, headers=headers)
            assert refused.status_code == 403
        assert visitor.browser.post(url, data={"csrf": "x", "answer": "{}"}).status_code == 403


def test_our_pages_are_never_framed_and_lend_passkeys_to_nobody_ac_83(visitor: Visitor) -> None:
    headers = visitor.start().page.headers

    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "publickey-credentials-create=(self)" in headers["Permissions-Policy"]
    assert "publickey-credentials-get=(self)" in headers["Permissions-Policy"]


def test_no_challenge_without_a_sign_in_under_way_ac_08(visitor: Visitor, phone: Authenticator) -> None:
    refused = visitor.browser.post("/signin/AAAAAAAAAAAAAAAAAAAAAA/passkey", data={"answer": "{}"})

    assert refused.status_code == 400
    assert visitor.browser.get("/signin/AAAAAAAAAAAAAAAAAAAAAA/passkey").status_code == 400


def test_challenges_are_not_handed_out_without_end(visitor: Visitor) -> None:
    visitor.start()

    statuses = [options_for(visitor).status_code for _ in range(61)]

    assert statuses == [200] * 60 + [429]


def test_a_two_megabyte_answer_is_turned_away_ac_84(visitor: Visitor) -> None:
    visitor.start()

    visitor.submit("passkey", answer="x" * 2_000_000)

    assert visitor.page.status_code == 413


def test_what_is_recorded_says_how_and_why_and_nothing_more(
    app: Flask, alice: str, visitor: Visitor, phone: Authenticator
) -> None:
    visitor.start()
    answer(visitor, phone, origin='https://evil.test/\r\n{"x":1}\u2028')
    visitor.open("identify")
    answer(visitor, phone)

    with app.app_context():
        rows = db.session.query(AuditEvent).order_by(AuditEvent.id).all()
        told = [(row.event, row.outcome, row.reason, row.account_id, row.facts) for row in rows]
        db.session.rollback()
    assert told == [
        ("passkey", "refused", "refused", None, {"ceremony": "sign-in"}),
        ("passkey", "ok", None, alice, {"ceremony": "sign-in"}),
        ("sign-in", "done", "free", alice, {"proofs": "passkey"}),
    ]
    assert ALICE_NIR not in str(told)

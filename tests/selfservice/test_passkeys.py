"""A person adds, names and removes the devices that open their account, and nobody else does (security.md D)."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp.accounts.models import Account
from idp.audit import AuditEvent
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa import passkeys
from idp.mfa.passkeys import Passkey
from idp.oidc.refresh import RefreshFamily
from idp.session import SessionRecord
from idp.settings import Settings
from tests.conftest import ALICE_NIR, ISSUER, Clock
from tests.mfa.authenticator import GOOGLE, Authenticator, unb64
from tests.mfa.metadata_service import MetadataService, new_root
from tests.signin.conftest import Visitor, new_visitor, relying_parties, visitor
from tests.signin.test_passkey import Visitors, answer, enrol
from tests.signin.test_walk import add_bob

__all__ = ["new_visitor", "relying_parties", "visitor"]


Alerts = Callable[[], list[tuple[str | None, str]]]


@pytest.fixture
def alerts(app: Flask) -> Alerts:
    """Return what reads who was mailed an alert, and of which kind, in the order in which they were written."""

    def read() -> list[tuple[str | None, str]]:
        with app.app_context():
            query = db.session.query(Outbox.account_id, Outbox.purpose).filter_by(channel="email")
            rows = query.filter(Outbox.purpose.like("alert-%")).order_by(Outbox.id).all()
            db.session.rollback()
        return [(account_id, purpose.removeprefix("alert-")) for account_id, purpose in rows]

    return read


def count(app: Flask, account_id: str) -> int:
    with app.app_context():
        found = passkeys.count_passkeys(account_id)
        db.session.rollback()
    return found


def only(app: Flask, account_id: str) -> Passkey:
    with app.app_context():
        (found,) = passkeys.list_passkeys(account_id)
        db.session.expunge_all()
        db.session.rollback()
    return found


def post(who: Visitor, path: str, **fields: str) -> Any:
    """Post a form of the page as our own script does."""
    csrf = re.search(r'name="csrf" value="([^"]*)"', who.page.text)
    data = {"csrf": csrf[1] if csrf else "", **fields}
    return who.browser.post(path, data=data, headers={"Sec-Fetch-Site": "same-origin", "Origin": ISSUER})


def come_in(who: Visitor) -> Visitor:
    """Open the account through the sign-in."""
    return who.open("/account/passkeys").identify().ask_for_code().type_code()


def add(who: Visitor, phone: Authenticator, **lies: Any) -> Visitor:
    """Turn a device on."""
    who.open("/account/passkeys/add")
    options = post(who, "/account/passkeys/add/options").json
    return who.submit("add", answer=phone.create(options, **lies))


def test_a_device_is_added_named_and_listed(app: Flask, alice: str, visitor: Visitor, alerts: Alerts) -> None:
    come_in(visitor)
    assert "Aucun appareil" in visitor.page.text
    add(visitor, Authenticator())
    assert visitor.step == "name"
    assert 'value="Google"' in visitor.page.text
    visitor.submit("name", name="  Mon\tTéléphone <b>  ")

    assert visitor.step == "passkeys"
    assert "Mon Téléphone &lt;b&gt;" in visitor.page.text
    assert "Sauvegardé par votre compte" in visitor.page.text
    assert alerts() == [(alice, "factor-added")]


def test_it_then_opens_the_account_until_it_is_removed(
    app: Flask, alice: str, visitor: Visitor, new_visitor: Visitors, alerts: Alerts
) -> None:
    phone = Authenticator()
    add(come_in(visitor), phone)
    assert "code" in answer(new_visitor().start(), phone).told

    visitor.open(f"/account/passkeys/{only(app, alice).id}/remove").submit("remove")

    assert "L’appareil est retiré" in visitor.page.text
    refused = answer(new_visitor().start(), phone)
    assert refused.page.status_code == 422
    assert "data-signal-unknown" in refused.page.text
    assert alerts() == [(alice, "factor-added"), (alice, "factor-removed")]


@pytest.mark.parametrize("page", ["/account/passkeys", "/account"])
def test_the_phone_is_told_what_is_accepted(app: Flask, alice: str, visitor: Visitor, page: str) -> None:
    """Also on the first page of ours after a sign-in: what was removed elsewhere is forgotten here."""
    phone = Authenticator()
    add(come_in(visitor), phone)
    visitor.open(page)

    accepted = re.search(r'data-signal-accepted="([^"]*)"', visitor.page.text)
    user = re.search(r'data-user="([^"]*)"', visitor.page.text)
    assert accepted is not None
    assert user is not None
    assert unb64(accepted[1]) == phone.credentials[0].id
    assert unb64(user[1]) == phone.credentials[0].user_handle


def test_what_the_phone_shows_is_a_name_and_never_the_number_ac_89(alice: str, visitor: Visitor) -> None:
    come_in(visitor).open("/account/passkeys/add")

    options = post(visitor, "/account/passkeys/add/options").json

    assert options["user"]["name"] == options["user"]["displayName"] == "Alice Martin"
    assert ALICE_NIR not in str(options)
    assert len(unb64(options["user"]["id"])) == 32


def test_a_stranger_gets_no_challenge_and_adds_nothing_ac_01_ac_82(app: Flask, alice: str, visitor: Visitor) -> None:
    for path in ("/account/passkeys/add/options", "/account/passkeys/add"):
        refused = visitor.browser.post(path, data={"answer": "{}"})
        assert refused.status_code == 303
        assert "/signin/" in refused.headers["Location"]
    assert count(app, alice) == 0


def test_a_password_alone_adds_nothing_ac_01_ac_82(app: Flask, alice: str, visitor: Visitor) -> None:
    visitor.open("/account/passkeys").identify()
    assert visitor.step == "send"

    for path in ("/account/passkeys/add/options", "/account/passkeys/add"):
        refused = post(visitor, path, answer="{}")
        assert refused.status_code == 303
    assert visitor.open("/account/passkeys/add").step == "send"
    assert count(app, alice) == 0


def test_an_old_session_proves_itself_anew_first_ac_82(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    phone = Authenticator()
    come_in(visitor).open("/account/passkeys/add")
    options = post(visitor, "/account/passkeys/add/options").json
    add_form = visitor.page

    clock.step(minutes=5, seconds=1)
    assert post(visitor, "/account/passkeys/add/options").status_code == 303
    visitor.submit("add", answer=phone.create(options))

    assert visitor.step == "identify"
    assert count(app, alice) == 0
    visitor.identify().ask_for_code().type_code()
    assert visitor.step == "passkeys"
    assert "C’est bien vous" in visitor.page.text
    assert visitor.open("/account/passkeys/add").page.status_code == add_form.status_code == 200


def test_an_old_session_removes_nothing_either(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    add(come_in(visitor), Authenticator())
    visitor.open(f"/account/passkeys/{only(app, alice).id}/remove")
    clock.step(minutes=6)

    visitor.submit("remove")

    assert visitor.step == "identify"
    assert count(app, alice) == 1


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_another_site_adds_nothing_ac_83(app: Flask, alice: str, visitor: Visitor, headers: dict[str, str]) -> None:
    come_in(visitor).open("/account/passkeys/add")
    csrf = next(form["csrf"] for form in visitor.browser.forms(visitor.page.text) if form[""].endswith("/add"))

    for path in ("/account/passkeys/add/options", "/account/passkeys/add"):
        assert visitor.browser.post(path, data={"csrf": csrf, "answer": "{}"}, headers=headers).status_code == 403
        assert visitor.browser.post(path, data={"answer": "{}"}).status_code == 403
    assert count(app, alice) == 0


@pytest.mark.parametrize(
    "lies",
    [{"origin": "https://evil.test"}, {"flags": 0x01}, {"rp_id": "evil.test"}, {"cross_origin": True},
     {"attestation_object": b"\x81" * 5000}],
)  # fmt: skip
def test_a_forged_answer_adds_nothing_and_tells_nobody(
    app: Flask, alice: str, visitor: Visitor, alerts: Alerts, lies: dict[str, Any]
) -> None:
    add(come_in(visitor), Authenticator(), **lies)

    assert visitor.page.status_code == 422
    assert "n’a pas été ajouté" in visitor.page.text
    assert count(app, alice) == 0
    assert alerts() == []


def test_a_known_credential_is_not_added_again_ac_81(app: Flask, alice: str, visitor: Visitor) -> None:
    add(come_in(visitor), Authenticator(), credential_id=b"s" * 32)
    add(visitor, Authenticator(), credential_id=b"s" * 32)

    assert visitor.page.status_code == 422
    assert count(app, alice) == 1


def test_a_challenge_of_another_persons_page_adds_nothing_ac_82(
    app: Flask, alice: str, visitor: Visitor, new_visitor: Visitors
) -> None:
    bob = add_bob(app)
    other = new_visitor().open("/account/passkeys").identify("299132A999003", "bobs-long-password-1")
    other.ask_for_code().type_code().open("/account/passkeys/add")
    bobs = post(other, "/account/passkeys/add/options").json
    come_in(visitor).open("/account/passkeys/add")

    visitor.submit("add", answer=Authenticator().create(bobs))

    assert visitor.page.status_code == 422
    assert (count(app, alice), count(app, bob)) == (0, 0)


def test_nobody_names_or_removes_what_is_not_theirs_ac_85(
    app: Flask, alice: str, visitor: Visitor, new_visitor: Visitors
) -> None:
    enrol(app, alice)
    before = only(app, alice)
    add_bob(app)
    bob = new_visitor().open("/account/passkeys").identify("299132A999003", "bobs-long-password-1")
    bob.ask_for_code().type_code().open("/account/passkeys/add")

    for path in ("name", "remove"):
        assert bob.browser.get(f"/account/passkeys/{before.id}/{path}").status_code == 404
        assert post(bob, f"/account/passkeys/{before.id}/{path}", name="stolen").status_code == 404

    after = only(app, alice)
    assert (after.name, after.revoked_at) == (before.name, None)


def test_a_lost_phone_opens_nothing_more_ac_86(
    app: Flask, alice: str, visitor: Visitor, new_visitor: Visitors, clock: Clock
) -> None:
    phone = enrol(app, alice)
    thief = answer(new_visitor().start(), phone)
    assert "code" in thief.told
    with app.app_context():
        sid = db.session.query(SessionRecord.sid).filter_by(account_id=alice).scalar()
        db.session.add(
            RefreshFamily(
                id="family", client_id="web", account_id=alice, sid=sid, scopes=["openid"], amr=["pop"], acr="phr",
                auth_time=clock(), userinfo_claims=[], id_token_claims=[], created_at=clock(), rotated_at=clock(),
                ends_at=clock() + timedelta(days=90), resources=[], authorization_details=[],
            )
        )  # fmt: skip
        db.session.commit()
    clock.step(seconds=5)

    come_in(visitor).open(f"/account/passkeys/{only(app, alice).id}/remove").submit("remove", lost="yes")

    assert visitor.page.status_code == 200
    assert thief.start(prompt="none").told["error"] == "login_required"
    assert answer(new_visitor().start(), phone).page.status_code == 422
    with app.app_context():
        assert db.session.query(RefreshFamily.revoked_for).scalar() == "device-lost"
        db.session.rollback()


def test_no_javascript_is_told_so_and_loses_nothing(visitor: Visitor) -> None:
    come_in(visitor).open("/account/passkeys/add")

    assert "<noscript>" in visitor.page.text
    assert "Votre mot de passe et un code marchent sans." in visitor.page.text


def test_what_happened_is_recorded(app: Flask, alice: str, visitor: Visitor) -> None:
    add(come_in(visitor), Authenticator())
    added = only(app, alice)
    visitor.open(f"/account/passkeys/{added.id}/remove").submit("remove")

    with app.app_context():
        named = AuditEvent.event.in_(["passkey-added", "passkey-removed"])
        rows = db.session.query(AuditEvent).filter(named).order_by(AuditEvent.id).all()
        told = [(row.event, row.outcome, row.account_id, row.facts["passkey"]) for row in rows]
        assert db.session.query(Account).count() == 1
        db.session.rollback()
    assert told == [("passkey-added", "ok", alice, added.id), ("passkey-removed", "ok", alice, added.id)]


def test_a_model_that_is_not_accepted_is_said_to_be_so(
    app: Flask, alice: str, visitor: Visitor, clock: Clock, tmp_path: Path, with_settings: Callable[..., Settings]
) -> None:
    """« Réessayez » would be no help."""
    service = MetadataService(tmp_path, clock())
    service.list_model(GOOGLE, new_root("Vendor", clock()), "REVOKED")
    service.publish()
    with_settings(passkeys={"attestation": service.settings})

    add(come_in(visitor), Authenticator())

    assert visitor.page.status_code == 422
    assert "Ce modèle d’appareil n’est pas accepté ici" in visitor.page.text
    assert count(app, alice) == 0

"""The console: who comes in and who does not, and what an administrator does there page by page (security.md J)."""

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from idp import clock as idp_clock
from idp.admin import actions
from idp.admin.actors import operator
from idp.admin.administrators import find_administrator
from idp.admin.changes import list_changes
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa.passkeys import count_passkeys
from idp.oidc import registration
from idp.oidc.clients import read_client
from tests.admin.conftest import BACK, document
from tests.conftest import ISSUER, Browser, Clock
from tests.mfa.authenticator import Authenticator
from tests.signin.conftest import CALLBACK, Visitor
from tests.signin.test_passkey import answer, enrol

Coming = Callable[..., "Admin"]
# What a browser sends of a list of choices.
METHOD = {"token_endpoint_auth_method": "client_secret_basic"}


class Admin(Visitor):
    """An administrator at a browser of their own, with a passkey."""

    phone: Authenticator
    clock: Clock

    def prove(self) -> "Admin":
        """Show the passkey on the sign-in page."""
        # What is proved must be later than what asked for it.
        self.clock.step(seconds=1)
        return answer(self, self.phone)  # type: ignore[return-value]

    def come_in(self, path: str = "/admin") -> "Admin":
        """Open a page, and prove the passkey."""
        self.open(path)
        if self.page.request.path.startswith("/signin/"):
            self.prove()
        return self

    @property
    def text(self) -> str:
        return str(self.page.text)

    def post(self, path: str, **fields: Any) -> "Admin":
        """Send a form that the page need not hold, with this session's token."""
        csrf = re.search(r'name="csrf" value="([^"]*)"', self.browser.get("/admin/tokens").text)
        data = {"csrf": csrf[1] if csrf else "", **fields}
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}
        self._arrive(self.browser.post(path, data=data, headers=headers))
        return self


@pytest.fixture
def admin(app: Flask, new_browser: Callable[[], Browser], administrators: dict[str, str], clock: Clock) -> Coming:
    """Return what lets an administrator come in."""

    def make(name: str, path: str = "/admin") -> Admin:
        with app.app_context():
            found = find_administrator(name)
            assert found is not None
            assert found.account_id is not None
            account_id = found.account_id
        person = Admin(app, new_browser())
        person.clock, person.phone = clock, enrol(app, account_id)
        return person.come_in(path)

    return make


# -- coming in -----------------------------------------------------------------------------------------------------


def test_an_administrator_comes_in_by_passkey(admin: Coming) -> None:
    eve = admin("eve")

    assert eve.page.status_code == 200
    assert "Bonjour eve" in eve.text


def test_password_and_code_do_not_open_it_ac_193(alice: str, app: Flask, http: Browser) -> None:
    visitor = Visitor(app, http).open("/admin").identify()

    assert "clé d’accès" in visitor.page.text
    assert visitor.page.status_code == 403


def test_an_account_holder_is_refused_with_a_passkey_too_ac_195(
    alice: str, app: Flask, http: Browser, clock: Clock
) -> None:
    phone = enrol(app, alice)
    visitor = Visitor(app, http).open("/admin")
    clock.step(seconds=1)
    answer(visitor, phone)

    assert visitor.page.status_code == 403
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("admin.") and "GET" in (rule.methods or ()) and "enrol" not in rule.rule:
            path = rule.rule.replace("<client_id>", "web").replace("<section>", "data").replace("<kind>", "website")
            path = path.replace("<change_id>", "x").replace("<name>", "eve")
            if "resume" not in path:
                assert http.get(path).status_code == 403, path


def test_a_quarter_of_an_hour_without_an_act_asks_again(admin: Coming, clock: Clock) -> None:
    eve = admin("eve")
    for _ in range(3):
        clock.step(minutes=14)
        assert eve.open("/admin/clients").page.status_code == 200

    clock.step(minutes=15, seconds=1)
    eve.open("/admin/clients")

    assert eve.page.request.path.startswith("/signin/")
    eve.prove()
    assert eve.page.request.path == "/admin/clients"


def test_a_sign_in_for_another_service_opens_nothing_here(admin: Coming, app: Flask) -> None:
    """The session may be at `phr`: the console wants a passkey proved for it."""
    eve = admin("eve")
    with app.app_context():
        asked = {"client_id": "web", "name": "Web", "redirect_uris": [CALLBACK], "scope": "openid profile email"}
        registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())
        db.session.commit()
    eve.browser.delete_cookie("__Host-sid", domain="idp.test")
    eve.start().prove()  # type: ignore[attr-defined]
    assert eve.is_back

    assert eve.open("/admin").page.request.path.startswith("/signin/")


def test_a_disabled_administrator_is_out_at_once(admin: Coming, app: Flask) -> None:
    eve = admin("eve")
    with app.app_context():
        actions.perform(operator("x"), "administrator.disable", "eve", {}, now=idp_clock.now())

    eve.open("/admin/clients")

    assert eve.page.request.path.startswith("/signin/")
    assert eve.prove().page.status_code == 403


def test_a_form_of_another_site_does_nothing_ac_203(admin: Coming, shop: str) -> None:
    ada = admin("ada")

    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        assert ada.browser.post("/admin/clients/shop/suspend", data={}, headers=headers).status_code == 403
    assert ada.open("/admin/clients/shop/suspend").page.status_code in {404, 405}


# -- the first passkey ---------------------------------------------------------------------------------------------


def try_enrolment(browser: Browser, name: str, password: str) -> Any:
    page = browser.get("/admin/enrol")
    return browser.submit(page.text, "/admin/enrol", name=name, password=password)


def make_passkey(browser: Browser, phone: Authenticator) -> Any:
    page = browser.get("/admin/enrol/passkey")
    form = next(form for form in browser.forms(page.text) if form[""] == "/admin/enrol/passkey")
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}
    options = browser.post("/admin/enrol/options", data={"csrf": form["csrf"]}, headers=headers)
    made = phone.create(options.json)
    return browser.post("/admin/enrol/passkey", data={"csrf": form["csrf"], "answer": made}, headers=headers)


def test_the_printed_password_makes_one_passkey_and_is_over(
    app: Flask, http: Browser, administrators: dict[str, str], clock: Clock
) -> None:
    phone = Authenticator()
    assert try_enrolment(http, "eve", administrators["eve"]).headers["Location"] == "/admin/enrol/passkey"
    assert make_passkey(http, phone).headers["Location"] == "/admin"

    person = Admin(app, http)
    person.clock, person.phone = clock, phone
    assert "Bonjour eve" in person.come_in().text
    other = app.test_client()
    assert try_enrolment(other, "eve", administrators["eve"]).status_code == 422  # type: ignore[arg-type]


@pytest.mark.parametrize("case", ["wrong", "nobody", "late", "disabled", "has one", "empty"])
def test_enrolment_fails_closed_and_says_nothing_more(
    app: Flask, http: Browser, administrators: dict[str, str], clock: Clock, case: str
) -> None:
    name, password = "eve", administrators["eve"]
    with app.app_context():
        found = find_administrator("eve")
        assert found is not None
        assert found.account_id is not None
        account_id = found.account_id
        if case == "disabled":
            actions.perform(operator("x"), "administrator.disable", "eve", {}, now=idp_clock.now())
    if case == "has one":
        enrol(app, account_id)
    if case == "late":
        clock.step(days=7)
    name = "nobody" if case == "nobody" else name
    password = {"wrong": "x" * 22, "empty": ""}.get(case, password)

    refused = try_enrolment(http, name, password)

    assert refused.status_code == 422
    assert "ne permettent pas" in refused.text
    assert http.get("/admin/enrol/passkey").status_code == 400
    with app.app_context():
        assert count_passkeys(account_id) == (1 if case == "has one" else 0)


def test_enrolment_passwords_are_not_guessed(http: Browser, administrators: dict[str, str]) -> None:
    for number in range(5):
        try_enrolment(http, "eve", f"wrong-{number}")

    assert try_enrolment(http, "eve", administrators["eve"]).status_code == 422


def test_a_ticket_is_worth_nothing_in_another_browser_or_after_a_rival(
    app: Flask, http: Browser, new_browser: Callable[[], Browser], administrators: dict[str, str]
) -> None:
    rival = new_browser()
    try_enrolment(http, "eve", administrators["eve"])
    try_enrolment(rival, "eve", administrators["eve"])
    assert new_browser().get("/admin/enrol/passkey").status_code == 400

    assert make_passkey(http, Authenticator()).status_code == 303

    assert rival.get("/admin/enrol/passkey").status_code == 400


# -- clients -------------------------------------------------------------------------------------------------------


def register(who: Admin, **fields: Any) -> Admin:
    who.open("/admin/clients/new").open("/admin/clients/new/website")
    filled = {
        "name": "Demandes",
        "redirect_uris": BACK,
        "client_id": "fresh",
        "scopes": ["openid", "email"],
        **METHOD,
        **fields,
    }
    return who.submit("website", **filled)  # type: ignore[return-value]


def test_a_client_is_registered_by_two_people(admin: Coming, app: Flask) -> None:
    eve = register(admin("eve"))
    assert "client_id: fresh" in eve.text
    eve.submit("review", reason="new service")
    assert "quelqu’un d’autre doit l’approuver" in eve.text
    change = eve.page.request.path

    ada = admin("ada", change)
    assert BACK in ada.text
    ada.submit("approve")

    assert "Appliqué" in ada.text
    with app.app_context():
        client = read_client("fresh")
        assert client is not None
        assert client.scopes == {"openid", "email"}
        assert client.secrets == ()
    eve.open("/admin/clients/fresh").submit("secrets", label="first")
    assert re.search(r'id="value" type="text" value="[\w-]{43}"', eve.text)
    assert "plus jamais" in eve.text


def test_one_line_that_cannot_stand_keeps_the_good_ones_ac_196(admin: Coming, app: Flask) -> None:
    eve = register(admin("eve"), redirect_uris=f"{BACK}\nhttps://*.example.fr/\n")
    assert eve.page.status_code == 422
    assert "joker" in eve.text
    assert BACK in eve.text

    eve.submit("website", skip="yes", scopes=["openid"], redirect_uris=f"{BACK}\nhttps://*.example.fr/\n", **METHOD)

    assert "client_id: fresh" in eve.text
    assert "*.example" not in eve.text


def test_good_lines_are_saved_beside_bad_ones(admin: Coming, shop: str, app: Flask, with_settings: Any) -> None:
    with_settings(admin={"four_eyes": False})
    eve = admin("eve", "/admin/clients/shop/edit/addresses")
    eve.submit("addresses", redirect_uris=f"{BACK}\n{BACK}/2\nhttp://example.fr/x")

    assert eve.page.status_code == 422
    assert "Doit commencer par https" in eve.text
    assert "http://example.fr/x" in eve.text
    with app.app_context():
        assert document()["redirect_uris"] == [BACK, f"{BACK}/2"]


def test_a_redirect_is_changed_by_two_and_the_difference_is_seen_ac_200(admin: Coming, shop: str, app: Flask) -> None:
    eve = admin("eve", "/admin/clients/shop/edit/addresses")
    eve.submit("addresses", redirect_uris="https://nouveau.example.fr/retour", reason="moved")
    with app.app_context():
        change_id = list_changes(target=shop)[0].id
        assert document()["redirect_uris"] == [BACK]
    eve.open(f"/admin/changes/{change_id}")
    assert "approve" not in eve.text
    assert eve.post(f"/admin/changes/{change_id}/approve").page.status_code == 403

    ada = admin("ada", f"/admin/changes/{change_id}")
    assert "nouveau.example.fr" in ada.text
    ada.submit("approve")

    with app.app_context():
        assert document()["redirect_uris"] == ["https://nouveau.example.fr/retour"]
    history = ada.open("/admin/clients/shop/history").page.text
    assert all(word in history for word in ("eve", "ada", "moved", BACK, "nouveau.example.fr"))


def test_every_section_saves_what_it_shows_ac_201(admin: Coming, shop: str, app: Flask) -> None:
    """A form sent back as it was changes nothing, in every section."""
    from idp.admin.console.fields import ALL_SECTIONS

    eve = admin("eve")
    with app.app_context():
        before = document()
    for section in ALL_SECTIONS:
        eve.open(f"/admin/clients/shop/edit/{section}")
        form = complete_form(eve.text)
        eve.post(f"/admin/clients/shop/edit/{section}", **form)
        assert eve.page.request.args.get("done") == "same", (section, eve.text[-2000:])
    with app.app_context():
        assert document() == before


def complete_form(html: str) -> dict[str, Any]:
    """Return everything that a browser would send of a page's form."""
    form = next(one for one in re.findall(r"<form\b.*?</form>", html, re.S) if "/edit/" in one)
    sent: dict[str, Any] = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name is None or ("checkbox" in tag and "checked" not in tag):
            continue
        sent.setdefault(name[1], []).append(value[1] if value else "")
    for name, text in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', form, re.S):
        sent[name] = text
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        sent[name] = chosen[1] if chosen else ""
    sent.pop("csrf")
    return sent


def test_a_form_that_somebody_overtook_is_refused_ac_201(admin: Coming, shop: str, app: Flask) -> None:
    eve = admin("eve", "/admin/clients/shop/edit/identity")
    with app.app_context():
        actions.perform(operator("x"), "client.update", shop, document(team="Other"), now=idp_clock.now())

    eve.submit("identity", name="Boutique", description="mine")

    assert eve.page.status_code == 422
    assert "entre-temps" in eve.text
    with app.app_context():
        assert document()["team"] == "Other"


def test_a_suspended_service_shows_a_clear_page_ac_204(admin: Coming, shop: str, http: Browser) -> None:
    ada = admin("ada", "/admin/clients/shop")
    ada.submit("suspend", reason="leak")

    seen = http.get("/authorize", query_string={"client_id": shop, "redirect_uri": BACK, "response_type": "code"})

    assert seen.status_code == 403
    assert "Boutique" in seen.text
    ada.submit("resume")
    assert "Actif" in ada.text


def test_a_secret_is_revoked_only_with_the_name_typed(admin: Coming, shop: str, app: Flask) -> None:
    kim = admin("kim", "/admin/clients/shop")
    kim.submit("secrets/revoke", confirm="Boutiqu")
    assert kim.page.status_code == 422

    kim.submit("secrets/revoke", confirm="Boutique")

    with app.app_context():
        client = read_client(shop)
        assert client is not None
        assert client.secrets == ()


def test_a_logo_is_sent_and_waits(admin: Coming, shop: str) -> None:
    picture = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(picture, "PNG")
    eve = admin("eve", "/admin/clients/shop")
    form = next(form for form in eve.browser.forms(eve.text) if form[""].endswith("/logo"))
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}
    data = {"csrf": form["csrf"], "logo": (BytesIO(picture.getvalue()), "x.png")}

    eve._arrive(eve.browser.post("/admin/clients/shop/logo", data=data, headers=headers))

    assert "deuxième personne" in eve.text


def test_tokens_of_a_persona_hold_what_the_scopes_say(admin: Coming, shop: str) -> None:
    rita = admin("rita", "/admin/clients/shop/preview")

    assert "&#34;sub&#34;" in rita.text
    assert "camille@exemple.invalid" not in rita.text


def test_a_reader_sees_no_button_and_is_refused_all_the_same_asvs_8_3_1(admin: Coming, shop: str) -> None:
    rita = admin("rita", "/admin/clients/shop")
    assert "client-state" not in rita.text
    assert "edit-addresses" not in rita.text

    for path in ("clients/shop/suspend", "clients/shop/secrets", "clients/shop/edit/data", "clients/new/website"):
        assert rita.post(f"/admin/{path}").page.status_code == 403, path
    for path in ("/admin/administrators", "/admin/administrators/eve/disable"):
        assert rita.post(path).page.status_code == 403, path
    assert rita.open("/admin/administrators").page.status_code == 403
    assert rita.open("/admin/clients/shop/edit/data").page.status_code == 403


def test_roles_are_given_by_two_and_a_token_is_made(admin: Coming, app: Flask) -> None:
    rose = admin("rose", "/admin/administrators/rita")
    rose.post("/admin/administrators/rita/roles", roles=["reader", "editor"])
    change = rose.page.request.path
    ruth = admin("ruth", change)
    ruth.submit("approve")

    rita = admin("rita", "/admin/tokens")
    rita.submit("tokens", label="CI", scopes=["clients.read"], days="30")

    value = re.search(r'id="value" type="text" value="(sesame_admin_[\w-]+)"', rita.text)
    assert value is not None
    headers = {"Authorization": f"Bearer {value[1]}"}
    assert app.test_client().get("/admin/api/me", headers=headers, base_url=ISSUER).json["name"] == "rita"


def test_a_new_administrator_gets_a_password_from_who_approves(admin: Coming, app: Flask) -> None:
    rose = admin("rose", "/admin/administrators")
    rose.submit("administrators", name="new.one", roles=["reader"])
    ruth = admin("ruth", rose.page.request.path)
    ruth.submit("approve")

    password = re.search(r'id="value" type="text" value="([\w-]{22})"', ruth.text)
    assert password is not None
    other = app.test_client()
    assert try_enrolment(other, "new.one", password[1]).status_code == 303  # type: ignore[arg-type]


def test_an_emergency_is_shown_to_everybody_until_it_is_reviewed(admin: Coming, shop: str, app: Flask) -> None:
    both = admin("both", "/admin/clients/shop/edit/addresses")
    both.submit("addresses", redirect_uris=f"{BACK}/2", emergency="yes", reason="the old host is gone")
    ada = admin("ada")
    assert 'id="emergencies"' in ada.text
    with app.app_context():
        change_id = list_changes(target=shop)[0].id

    ada.open(f"/admin/changes/{change_id}").submit("review")

    assert 'id="emergencies"' not in ada.text


def test_lines_are_judged_while_they_are_typed(admin: Coming) -> None:
    rita = admin("rita")
    rita.post("/admin/redirect-uris", uris="https://*.x.fr/\nhttps://<b>.fr/", kind="website")

    assert "joker" in rita.text
    assert "<b>" not in rita.text


def test_an_svg_logo_is_refused_with_a_sentence(admin: Coming, shop: str) -> None:
    """AC-182: what browsers execute is not kept, whatever its file is called."""
    eve = admin("eve", "/admin/clients/shop")
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    eve.post("/admin/clients/shop/logo", logo=(BytesIO(svg), "logo.png"))

    assert eve.page.status_code == 422
    assert "Un SVG est un programme" in eve.text


def test_both_sides_are_told_of_a_client_that_is_handed_over(admin: Coming, shop: str, app: Flask) -> None:
    with app.app_context():
        actions.perform(
            operator("x"), "client.update", shop, document(contacts=["old@example.fr"]), now=idp_clock.now()
        )
    eve = admin("eve", "/admin/clients/shop")
    eve.submit("transfer", team="Web", contacts="Accueil, 01 23 45 67 89")
    assert "une adresse e-mail" in eve.text
    assert "Accueil, 01 23 45 67 89" in eve.text

    eve.submit("transfer", team="Web", contacts="Web <web@example.fr>")

    with app.app_context():
        assert (document()["team"], document()["contacts"]) == ("Web", ["Web <web@example.fr>"])
        assert [row.purpose for row in db.session.query(Outbox)] == ["client-transferred"] * 2


def test_the_list_is_a_table_that_no_spreadsheet_runs(admin: Coming, shop: str, app: Flask) -> None:
    with app.app_context():
        named = document(name="=HYPERLINK(1)", team="+33,1")
        actions.perform(operator("x"), "client.update", shop, named, now=idp_clock.now())

    answer = admin("rita").browser.get("/admin/clients.csv")

    assert answer.mimetype == "text/csv"
    assert "shop,'=HYPERLINK(1),website,\"'+33,1\",active" in answer.text


def test_keys_at_an_address_are_tried_and_our_network_is_not_mapped(admin: Coming, shop: str) -> None:
    eve = admin("eve", "/admin/clients/shop/edit/proof")
    eve.submit("proof", jwks_uri="https://127.0.0.1/keys", test="yes")

    assert "ne répond pas" in eve.text
    assert "https://127.0.0.1/keys" in eve.text


def test_the_console_never_shows_an_account_holder(admin: Coming, alice: str, app: Flask) -> None:
    """AC-202: and a fresh provider has no administrator at all."""
    from idp.admin.administrators import Administrator

    assert "alice" not in admin("rose", "/admin/administrators").text
    with app.app_context():
        assert db.session.query(Administrator).filter_by(name="admin").count() == 0

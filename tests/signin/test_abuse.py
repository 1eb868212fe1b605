"""Tricks against the walk as a whole, each with its number in the list of abuse cases."""

import inspect
import time
from collections.abc import Callable

import pytest
from flask import Flask

from idp.accounts import contacts, directory, nir
from idp.db import db
from idp.i18n import choose_locale
from idp.mfa import codes
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, Browser, Clock
from tests.signin.conftest import Visitor

Visitors = Callable[[], Visitor]


def test_nobody_can_act_as_somebody_else_ac_15(app: Flask, http: Browser) -> None:
    rules = " ".join(rule.rule for rule in app.url_map.iter_rules())

    assert "impersonat" not in rules
    for path in ("/admin/impersonate", "/account/as/someone", "/webauthn/register/options"):
        assert http.get(path).status_code == 404


def test_what_a_browser_says_of_success_changes_nothing_ac_18(visitor: Visitor) -> None:
    visitor.start().identify().ask_for_code()

    visitor.open(f"/authorize/{visitor.id}?code=ok&verified=1")

    assert visitor.step == "code"


def test_a_form_of_one_sign_in_is_worthless_in_another_ac_23(
    visitor: Visitor, new_visitor: Visitors, clock: Clock
) -> None:
    visitor.start().identify().ask_for_code()
    stolen = next(form for form in visitor.browser.forms(visitor.page.text) if form[""].endswith("/code"))
    clock.step(seconds=31)
    thief = new_visitor().start().identify().ask_for_code()

    answer = thief.browser.post(f"/signin/{thief.id}/code", data={"csrf": stolen["csrf"], "code": visitor.code})

    assert answer.status_code == 403


@pytest.mark.parametrize("typed", ["right", "wrong"])
def test_a_new_password_ends_a_sign_in_under_way_ac_49(
    app: Flask, visitor: Visitor, alice: str, clock: Clock, typed: str
) -> None:
    visitor.start().identify().ask_for_code()
    form, code = visitor.page, visitor.code if typed == "right" else visitor.wrong_code
    clock.step(seconds=5)
    with app.app_context():
        directory.set_password(alice, "another-long-password-7", now=clock())
        db.session.commit()

    answer = visitor.browser.submit(form.text, "/code", code=code)

    assert answer.headers["Location"].endswith("/identify")
    assert visitor.start(prompt="none").told["error"] == "login_required"


def test_a_disabled_account_ends_a_sign_in_under_way_ac_49(
    app: Flask, visitor: Visitor, alice: str, clock: Clock
) -> None:
    visitor.start().identify().ask_for_code()
    form, code = visitor.page, visitor.code
    with app.app_context():
        directory.set_status(alice, "disabled", now=clock())
        db.session.commit()

    visitor.browser.submit(form.text, "/code", code=code)

    assert visitor.start(prompt="none").told["error"] == "login_required"


def test_codes_are_compared_in_constant_time_ac_44() -> None:
    source = inspect.getsource(codes)

    assert source.count("crypto.same(") == 2
    assert "code ==" not in source
    assert "== digits" not in source


def test_no_page_is_kept_or_framed_or_leaks_its_address_ac_112_ac_121_ac_172(visitor: Visitor) -> None:
    pages = [visitor.start().page, visitor.identify().page, visitor.ask_for_code().page, visitor.browser.get("/logout")]
    pages += [visitor.browser.get("/nowhere"), visitor.browser.get("/authorize"), visitor.answer]

    for answer in pages:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "cookies",
    [
        "=__Host-sid=x",
        "; ".join(f"c{n}=x" for n in range(200)),
        "__Host-sid=" + "x" * 5000,
        '__Host-sid="\\073"',
        "__Host-sid=é",
        "__Host-device=" + "A" * 400,
        "lang=../../x",
    ],
)
def test_planted_and_odd_cookies_do_not_hinder_a_sign_in_ac_174_ac_175(new_visitor: Visitors, cookies: str) -> None:
    visitor = new_visitor()

    assert visitor.browser.get("/authorize", headers={"Cookie": cookies}).status_code == 400
    assert visitor.start().identify().step == "send"


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: x=1", "a\nb", "\u2028", "&code=x", "%0d%0a"])
def test_no_header_is_split_by_a_state_ac_176(visitor: Visitor, state: str) -> None:
    visitor.sign_in()

    answer = visitor.browser.get("/authorize", query_string={**visitor.page.request.args, "state": state})

    assert "\n" not in answer.headers.get("Location", "")
    assert "x=1" not in answer.headers.get("Set-Cookie", "")


@pytest.mark.parametrize("value", ["not-an-ip", "1" * 5000, "fe80::1%eth0", "127.0.0.1, 10.0.0.1", "\x00"])
def test_odd_forwarded_addresses_skip_no_step_ac_189(visitor: Visitor, value: str) -> None:
    visitor.start()
    form = visitor.browser.forms(visitor.page.text)[0]
    fields = {"csrf": form["csrf"], "nir": ALICE_NIR, "password": "some-wrong-password"}

    answers = [
        visitor.browser.post(f"/signin/{visitor.id}/identify", data=fields, headers={"X-Forwarded-For": value})
        for _ in range(6)
    ]

    assert 429 in {answer.status_code for answer in answers}


def test_a_peer_without_an_address_is_still_checked_ac_189(visitor: Visitor) -> None:
    visitor.start()
    form = visitor.browser.forms(visitor.page.text)[0]
    fields = {"csrf": form["csrf"], "nir": ALICE_NIR, "password": ALICE_PASSWORD}

    answer = visitor.browser.post(
        f"/signin/{visitor.id}/identify", data=fields, environ_base={"REMOTE_ADDR": "rubbish"}
    )

    assert answer.headers["Location"].endswith("/send")


@pytest.mark.parametrize(
    "text",
    ["1" * 100_000, "a" * 100_000 + "@", "1 " * 50_000, "+" * 100_000, "@" * 100_000, "fr-" * 33_000, "((((" * 25_000],
)
def test_no_validator_can_be_kept_busy_ac_206(context: Flask, text: str) -> None:
    started = time.process_time()

    for parse in (nir.parse_nir, contacts.parse_email, contacts.parse_mobile):
        with pytest.raises((nir.NirFault, contacts.ContactFault)):
            parse(text)
    choose_locale(text, text, text)

    assert time.process_time() - started < 0.2


@pytest.mark.parametrize("service", ["{{7*7}}", "{% raw %}", "${7*7}", "<script>alert(1)</script>", '"><img src=x>'])
def test_a_services_name_is_printed_as_it_is_ac_179_ac_180(app: Flask, visitor: Visitor, service: str) -> None:
    from idp.oidc.clients import ClientRow, forget_cached_clients

    with app.app_context():
        row = db.session.get(ClientRow, "web")
        assert row is not None
        row.client_metadata = {**row.client_metadata, "name": service}
        db.session.commit()
        forget_cached_clients()

    text = visitor.start().page.text

    assert "49" not in text.split("<h1")[1].split("</h1>")[0]
    assert "<script>alert" not in text
    assert "<img src=x" not in text

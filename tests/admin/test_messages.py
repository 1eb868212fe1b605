"""Texts of messages: looked at with nobody's values, replaced by two people, never by what could not be sent."""

import re
from typing import Any

import pytest
from flask import Flask

from idp import operations
from idp.admin import actions
from idp.admin.faults import Forbidden, Invalid, NotFound
from idp.admin.message_acts import configured_texts, describe_text
from idp.admin.message_samples import make_samples, sample_names
from idp.i18n import _, force_locale
from idp.messages.overrides import replaceable_texts
from tests.admin.conftest import Acting
from tests.admin.test_api import Call
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_console import Coming
from tests.admin.test_console import admin as admin
from tests.conftest import Clock
from tests.root.test_commands import environ as environ
from tests.root.test_commands import run as run
from tests.root.test_commands import told

TEXT = "mail.alert.subject.password-changed"
GOOD = {"fr": "Votre mot de passe a changé", "en": "Your password was changed"}


def test_other_words_take_two_people_go_out_at_once_and_can_be_taken_back_ac_200(
    acting: Acting, clock: Clock, with_settings: Any
) -> None:
    with_settings(admin={"four_eyes": True})
    olga, ada, ours = acting("olga"), acting("ada"), configured_texts(TEXT)
    waits = actions.perform(olga, "text.set", TEXT, {"texts": GOOD}, now=clock())
    assert waits.is_waiting
    assert waits.change is not None
    assert dict(waits.change.before) == ours
    operations.refresh(clock())
    with force_locale("fr"):
        assert _(TEXT) == ours["fr"]

    actions.approve(ada, waits.change.id, now=clock())
    operations.refresh(clock())

    subjects = {one.message.subject for one in make_samples("alert.password-changed", clock())}
    assert set(GOOD.values()) <= subjects
    actions.perform(olga, "text.reset", TEXT, {}, now=clock())
    operations.refresh(clock())
    with force_locale("fr"):
        assert _(TEXT) == ours["fr"]


@pytest.mark.parametrize(
    ("text_id", "wrong", "why"),
    [
        ("mail.alert.subject.password-changed", "Voir https://caf.fr", "holds a link"),
        ("mail.alert.subject.password-changed", "Avec %(code)s", "no placeholder"),
        ("sms.alert.password-changed", "Changé " + "très " * 40, "too long"),
        ("sms.alert.password-changed", "Mot de passe changé… ê", "alphabet"),
        ("sms.code.sign_in", "Votre code", "must hold exactly"),
        ("mail.alert.subject.password-changed", "", "is no text"),
    ],
    ids=["link", "placeholder too many", "too long", "alphabet", "placeholder missing", "empty"],
)
def test_what_could_not_be_sent_is_refused_language_by_language(
    acting: Acting, clock: Clock, text_id: str, wrong: str, why: str
) -> None:
    with pytest.raises(Invalid) as refused:
        actions.perform(
            acting("olga"), "text.set", text_id, {"texts": {**configured_texts(text_id), "fr": wrong}}, now=clock()
        )

    ((field, message), *_more) = refused.value.faults
    assert field == "texts.fr"
    assert why in message


@pytest.mark.parametrize("texts", [{"fr": "Un"}, {**GOOD, "de": "Drei"}], ids=["one missing", "one too many"])
def test_every_language_is_said_and_no_other(acting: Acting, clock: Clock, texts: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        actions.perform(acting("olga"), "text.set", TEXT, {"texts": texts}, now=clock())
    with pytest.raises(NotFound):
        actions.perform(acting("olga"), "text.set", "u01.title", {"texts": GOOD}, now=clock())


def test_our_own_texts_would_all_be_accepted(context: Flask) -> None:
    """Or a text could be changed and never taken back."""
    from idp.admin.message_acts import find_faults

    assert len(replaceable_texts()) > 50
    assert {one: found for one in replaceable_texts() if (found := find_faults(one, configured_texts(one)))} == {}


def test_every_message_is_shown_in_both_languages_with_nobodys_values(context: Flask, clock: Clock) -> None:
    for name in sample_names():
        samples = make_samples(name, clock())
        assert {one.locale for one in samples} == {"fr", "en"}
        assert all(one.message.text and "%(" not in one.message.text for one in samples), name
        assert all(one.is_gsm7 for one in samples if one.channel == "sms"), name


@pytest.mark.parametrize("who", ["rita", "eve", "ada", "kim", "sam", "otto", "rose"])
def test_only_operators_ask_for_other_words_ac_195(
    acting: Acting, admin: Coming, call: Call, clock: Clock, who: str
) -> None:
    with pytest.raises(Forbidden):
        actions.perform(acting(who), "text.set", TEXT, {"texts": GOOD}, now=clock())
    fields = {f"text-{locale}": text for locale, text in GOOD.items()}
    assert admin(who).post(f"/admin/texts/{TEXT}", **fields).page.status_code == 403
    if who != "sam":
        assert call(who, "PUT", f"/texts/{TEXT}", {"texts": GOOD}).status_code == 403
    assert not operations.list_operations("text")


def test_a_text_is_changed_and_an_earlier_version_taken_up_in_the_console(
    admin: Coming, app: Flask, with_settings: Any
) -> None:
    with_settings(admin={"four_eyes": False})
    olga = admin("olga", "/admin/messages")
    assert TEXT in olga.text
    assert "482915" in olga.open("/admin/messages/code.sign-in").text
    olga.open(f"/admin/texts/{TEXT}").submit(TEXT, **{"text-fr": "https://x", "text-en": "y", "emergency": ""})
    assert olga.page.status_code == 422
    assert 'id="text-fr-error"' in olga.text
    olga.submit(TEXT, **{"text-fr": GOOD["fr"], "text-en": GOOD["en"], "emergency": ""})
    assert GOOD["fr"] in olga.text

    olga.submit("revert")

    with app.app_context():
        assert describe_text(TEXT)["texts"] == configured_texts(TEXT)
    assert olga.open("/admin/texts/u01.title").page.status_code == 404
    assert olga.open("/admin/messages/nothing").page.status_code == 404


def test_rest_and_the_command_line_do_the_same(call: Call, run: Any) -> None:
    assert call("rita", "GET", "/messages/code.reset").json["items"][0]["subject"]
    assert call("rita", "GET", f"/texts/{TEXT}").json["texts"]
    options = [part for locale, text in GOOD.items() for part in ("--say", f"{locale}={text}")]
    assert told(run("operations", "text", TEXT, *options, "--json"))["state"] == "applied"
    assert told(run("operations", "text", TEXT, "--json"))["texts"] == GOOD
    assert GOOD["fr"] in run("operations", "message", "alert.password-changed").stdout
    assert run("operations", "text", TEXT, "--say", "fr=x").exit_code == 1
    assert told(run("operations", "text", TEXT, "--reset", "--json"))["state"] == "applied"


def test_a_mail_is_seen_as_a_mailbox_shows_it_in_a_frame_that_may_do_nothing_asvs_3_4(admin: Coming) -> None:
    olga = admin("olga", "/admin/messages/code.sign-in")
    frame = re.search(r'<iframe class="letter" sandbox="" loading="lazy" src="([^"]+)" title="[^"]+">', olga.text)
    assert frame
    assert "frame-src 'self';" in olga.page.headers["Content-Security-Policy"]

    mail = olga.open(frame[1]).page

    policy = mail.headers["Content-Security-Policy"]
    assert policy == "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
    assert mail.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "482915" in mail.text
    assert "<script" not in mail.text
    for gone in ("code.sign-in/de", "nothing/fr", "code.new-mobile/fr"):
        assert olga.open(f"/admin/messages/{gone}.html").page.status_code == 404
    assert admin("sam", "/admin").open(frame[1]).page.status_code == 403

"""« Mot de passe oublié »: a code to what is registered, a new password, and then the sign-in as ever (U23-U26)."""

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp import session
from idp.accounts import directory
from idp.audit import AuditEvent
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa import guard, reset
from idp.mfa.codes import find_challenge
from idp.session import SessionRecord
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ALICE_PASSWORD, ISSUER, Browser, Clock
from tests.signin.conftest import Visitor
from tests.signin.test_walk import add_bob

Visitors = Callable[[], Visitor]
UNKNOWN = "2840599123456"
NEW_PASSWORD = "trois-nuages-sur-la-mer"
STEPS = ("forgot", "forgot/code", "forgot/password")


def ask(visitor: Visitor, nir: str = ALICE_NIR, channel: str = "email") -> Visitor:
    """Come from the service, press « Mot de passe oublié », and ask for a code."""
    return visitor.start().open("forgot").submit("forgot", nir=nir, channel=channel)


def code_of(visitor: Visitor) -> str:
    """Return the code of the reset under way."""
    with visitor.app.app_context():
        asked = reset.find_reset(visitor.id)
        challenge = find_challenge(asked.challenge_id) if asked else None
        assert challenge is not None
        return challenge.code


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def prove(visitor: Visitor, **about: Any) -> Visitor:
    """Ask for a code and type it."""
    ask(visitor, **about)
    return visitor.submit("forgot/code", code=code_of(visitor))


def choose(visitor: Visitor, password: str = NEW_PASSWORD) -> Visitor:
    """Choose the new password."""
    return visitor.submit("forgot/password", **{"new-password": password})


def whole(visitor: Visitor, **about: Any) -> Visitor:
    """Do all of it."""
    return choose(prove(visitor, **about))


def messages(app: Flask) -> list[tuple[str, str, str]]:
    """Return purpose, channel and state of all that was written down."""
    with app.app_context():
        rows = [(row.purpose, row.channel, row.state) for row in db.session.query(Outbox).order_by(Outbox.id)]
        db.session.rollback()
    return rows


def changed_at(app: Flask, account_id: str) -> Any:
    with app.app_context():
        found = directory.get_account(account_id).password_changed_at
        db.session.rollback()
    return found


def level_of_last(app: Flask, account_id: str) -> str | None:
    with app.app_context():
        query = db.session.query(SessionRecord.acr).filter_by(account_id=account_id)
        found = query.order_by(SessionRecord.created_at.desc()).limit(1).scalar()
        db.session.rollback()
    return found


# -- the way through -----------------------------------------------------------------------------------------------


def test_whoever_forgot_the_password_chooses_another_and_signs_in(visitor: Visitor, clock: Clock) -> None:
    whole(visitor)
    assert visitor.step == "identify"
    assert "Votre mot de passe est changé" in visitor.page.text

    visitor.identify(password=NEW_PASSWORD).ask_for_code("sms").type_code()
    assert "code" in visitor.told


def test_the_old_password_is_worth_nothing_any_more(visitor: Visitor) -> None:
    whole(visitor).identify(password=ALICE_PASSWORD)

    assert visitor.step == "identify"
    assert "ne vont pas ensemble" in visitor.page.text


def test_a_reset_is_no_sign_in_ac_05(app: Flask, alice: str, visitor: Visitor) -> None:
    """After it, neither session nor proof is there: the whole sign-in is asked for, second step included."""
    whole(visitor)

    assert visitor.interaction.proofs == ()
    assert visitor.interaction.account_id is None
    assert level_of_last(app, alice) is None
    assert visitor.start().step == "identify"
    assert visitor.identify(password=NEW_PASSWORD).step == "send"


def test_the_steps_may_not_be_skipped_ac_06(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    before = changed_at(app, alice)
    clock.step(minutes=1)
    ask(visitor)
    form = next(form for form in visitor.browser.forms(visitor.page.text) if form[""].endswith("forgot/code"))

    assert visitor.open("forgot/password").step == "forgot"
    answer = visitor.browser.post(
        f"/signin/{visitor.id}/forgot/password",
        data={"csrf": form["csrf"], "new-password": NEW_PASSWORD},
        headers={"Sec-Fetch-Site": "same-origin", "Origin": ISSUER},
    )
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/forgot")
    assert changed_at(app, alice) == before


@pytest.mark.parametrize("step", STEPS)
def test_another_browser_cannot_go_on_with_it(visitor: Visitor, new_visitor: Visitors, step: str) -> None:
    prove(visitor)
    other = new_visitor().start()

    assert other.browser.get(f"/signin/{visitor.id}/{step}").status_code == 403


def test_a_get_sends_nothing_and_uses_nothing_ac_68(app: Flask, visitor: Visitor) -> None:
    ask(visitor)
    written = messages(app)
    for step in STEPS:
        visitor.browser.get(f"/signin/{visitor.id}/{step}")

    assert messages(app) == written
    assert visitor.browser.get(f"/signin/{visitor.id}/forgot/code?code={code_of(visitor)}").status_code == 200
    assert visitor.open("forgot/code").submit("forgot/code", code=code_of(visitor)).step == "password"


def test_the_message_says_what_its_code_does(app: Flask, visitor: Visitor) -> None:
    from idp import crypto

    ask(visitor)
    with app.app_context():
        row = db.session.query(Outbox).one()
        text = crypto.unseal(row.content or b"", context=f"outbox:content:{row.idempotency_key}")
        db.session.rollback()

    assert "votre code pour changer de mot de passe" in text
    assert "code de connexion" not in text


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_the_code_goes_where_it_was_wished(app: Flask, visitor: Visitor, channel: str) -> None:
    ask(visitor, channel=channel)

    assert messages(app) == [("reset", channel, "queued")]


def test_an_account_with_one_channel_gets_it_there_whatever_was_wished(app: Flask, visitor: Visitor) -> None:
    add_bob(app)
    ask(visitor, nir="299132A999003", channel="sms")

    assert messages(app) == [("reset", "email", "queued")]


# -- nobody learns who has an account (AC-56, AC-57, AC-58) -----------------------------------------------------------


def _unactivated(app: Flask) -> None:
    add_bob(app, password=None)


def _disabled(app: Flask) -> None:
    bob = add_bob(app)
    with app.app_context():
        account = directory.get_account(bob)
        directory.set_status(bob, "disabled", now=account.created_at)
        db.session.commit()


def _unreachable(app: Flask) -> None:
    add_bob(app, email=None)


NOBODIES: dict[str, tuple[str, Callable[[Flask], None]]] = {
    "unknown": (UNKNOWN, lambda app: None),
    "never activated": ("299132A999003", _unactivated),
    "disabled": ("299132A999003", _disabled),
    "no channel": ("299132A999003", _unreachable),
}


def seen(visitor: Visitor, answer: Any) -> tuple[Any, ...]:
    """Return what a stranger can see of an answer, without what differs between any two visits."""
    text = re.sub(r"piano olive|<strong class=\"words\">.*?</strong>", "", answer.text)
    text = re.sub(visitor.id, "ID", text)
    text = re.sub(r'(nonce|value)="[^"]*"|Réf\. *\S+|[A-Z0-9]{3}-[A-Z0-9]{3}', "", text)
    names = sorted(name for name, _ in answer.headers.items() if name != "Content-Length")
    return answer.status_code, names, re.sub(visitor.id, "ID", answer.headers.get("Location", "")), text


@pytest.mark.parametrize("kind", NOBODIES)
def test_every_page_is_the_same_for_nobody_ac_56(app: Flask, new_visitor: Visitors, clock: Clock, kind: str) -> None:
    nir, prepare = NOBODIES[kind]
    prepare(app)
    trails = []
    for number in (ALICE_NIR, nir):
        visitor = new_visitor()
        trail = []
        ask(visitor, nir=number)
        trail += [seen(visitor, visitor.answer), seen(visitor, visitor.page)]
        for _ in range(5):
            visitor.submit("forgot/code", code=wrong(code_of(visitor)))
            trail.append(seen(visitor, visitor.page))
        visitor.submit("forgot/resend")
        trail += [seen(visitor, visitor.answer), seen(visitor, visitor.page)]
        clock.step(minutes=1)
        visitor.submit("forgot/resend")
        trail += [seen(visitor, visitor.answer), seen(visitor, visitor.page)]
        clock.step(minutes=-1)
        for _ in range(6):
            visitor.open("forgot").submit("forgot", nir=number, channel="sms")
            trail.append(seen(visitor, visitor.page))
        trails.append(trail)

    assert trails[0] == trails[1]


@pytest.mark.parametrize("kind", NOBODIES)
def test_for_nobody_a_message_is_written_and_never_sent(app: Flask, visitor: Visitor, kind: str) -> None:
    from idp import clock as idp_clock
    from idp.messages import outbox

    nir, prepare = NOBODIES[kind]
    prepare(app)
    ask(visitor, nir=nir)

    assert messages(app) == [("reset", "email", "void")]
    with app.app_context():
        claimed = outbox.claim(
            channel="email", worker="w", limit=9, lease=timedelta(minutes=1), now=idp_clock.now()
        )  # fmt: skip
        db.session.rollback()
    assert claimed == []


def test_what_nobody_guesses_changes_nothing(app: Flask, visitor: Visitor) -> None:
    """One time in a million somebody guesses the code of nobody; what follows is the same, and comes to nothing."""
    whole(visitor, nir=UNKNOWN)

    assert "Votre mot de passe est changé" in visitor.page.text
    assert visitor.identify(UNKNOWN, NEW_PASSWORD).step == "identify"
    assert messages(app) == [("reset", "email", "void")]


@pytest.mark.parametrize(("typed", "words"), [("", "Écrivez votre numéro"), ("19913", "13"), ("abc", "chiffres")])
def test_only_the_form_of_a_number_is_ever_said_ac_58(app: Flask, visitor: Visitor, typed: str, words: str) -> None:
    ask(visitor, nir=typed)

    assert visitor.page.status_code == 422
    assert words in visitor.page.text
    assert messages(app) == []


def test_no_page_shows_where_the_code_went(visitor: Visitor) -> None:
    ask(visitor)
    shown = visitor.page.text + visitor.open("forgot/code").page.text

    assert "•" not in shown
    assert ALICE_EMAIL.split("@")[1] not in shown
    assert ALICE_MOBILE[-2:] + "<" not in shown


# -- limits ----------------------------------------------------------------------------------------------------------


def test_asking_again_and_again_sends_five_in_an_hour_ac_36(app: Flask, new_visitor: Visitors, clock: Clock) -> None:
    """Whichever browser asks: the account counts."""
    for _ in range(20):
        last = ask(new_visitor())
        clock.step(minutes=2)

    assert len(messages(app)) == 5
    assert last.page.status_code == 429
    assert last.page.headers["Retry-After"]


def test_asking_for_resets_leaves_the_codes_for_signing_in_alone(new_visitor: Visitors, clock: Clock) -> None:
    for _ in range(8):
        ask(new_visitor())
        clock.step(minutes=2)
    owner = new_visitor().start().identify().ask_for_code()

    assert owner.step == "code"
    assert "code" in owner.type_code().told


def test_guessing_reset_codes_pauses_resets_and_not_sign_ins_ac_26(
    app: Flask, alice: str, new_visitor: Visitors, clock: Clock
) -> None:
    """Resetting asks for no password: whoever knows a NIR may not shut its owner out by it (R7)."""
    stranger = new_visitor()
    while True:
        ask(stranger)
        for _ in range(5):
            stranger.submit("forgot/code", code=wrong(code_of(stranger)))
            if stranger.page.status_code == 429:
                break
        if stranger.page.status_code == 429:
            break
        clock.step(minutes=2)

    assert "Attendez 15" in stranger.page.text
    assert "code" in new_visitor().sign_in().told
    with app.app_context():
        assert guard.find_pause(alice, "reset:unknown", clock()) is None, "a complete sign-in clears the lane"
        db.session.rollback()


def test_a_recognised_device_may_reset_while_strangers_pause(new_visitor: Visitors, clock: Clock) -> None:
    owner = new_visitor().sign_in()
    owner.browser.delete_cookie("__Host-sid", domain="idp.test")
    for _ in range(8):
        ask(new_visitor())
        clock.step(minutes=2)

    assert whole(owner).step == "identify"
    assert "Votre mot de passe est changé" in owner.page.text


def test_one_address_asks_for_so_many(app: Flask, new_visitor: Visitors, monkeypatch: pytest.MonkeyPatch) -> None:
    known = app.extensions["sesame"]["settings"]
    throttle = known.throttle.model_copy(update={"reset_requests": 3})
    monkeypatch.setitem(app.extensions["sesame"], "settings", known.model_copy(update={"throttle": throttle}))
    answers = [ask(new_visitor(), nir=f"284059912345{n}").page.status_code for n in range(5)]

    assert answers == [200, 200, 200, 429, 429]


def test_five_wrong_codes_kill_it_ac_25(visitor: Visitor) -> None:
    ask(visitor)
    right = code_of(visitor)
    for _ in range(5):
        visitor.submit("forgot/code", code=wrong(right))
    visitor.submit("forgot/code", code=right)

    assert visitor.page.status_code == 422
    assert "annulé" in visitor.page.text


def test_the_code_ends_after_a_quarter_of_an_hour_ac_67(visitor: Visitor, clock: Clock) -> None:
    ask(visitor)
    clock.step(minutes=15)
    visitor.submit("forgot/code", code=code_of(visitor))

    assert visitor.page.status_code == 422
    assert "Demandez un nouveau code" in visitor.page.text


def test_after_the_code_the_password_must_be_chosen_in_as_long_a_time(visitor: Visitor, clock: Clock) -> None:
    prove(visitor)
    clock.step(minutes=15)

    assert choose(visitor).step == "forgot"


# -- once, for one thing -----------------------------------------------------------------------------------------------


def test_a_used_reset_is_over_ac_67(visitor: Visitor) -> None:
    prove(visitor)
    form = visitor.page.text
    choose(visitor)
    again = visitor.browser.submit(form, "/forgot/password", **{"new-password": "encore-un-autre-mot-9"})

    assert again.headers["Location"].endswith("/forgot")
    assert visitor.identify(password=NEW_PASSWORD).step == "send"


def test_sent_fifty_times_at_once_it_changes_the_password_once(app: Flask, alice: str, visitor: Visitor) -> None:
    prove(visitor)
    key = visitor.id

    def one(number: int) -> str:
        from idp import clock as idp_clock

        with app.app_context():
            try:
                reset.change_password(
                    key, f"{NEW_PASSWORD}-{number}", device_cookie=None, detail={}, now=idp_clock.now()
                )
                db.session.commit()
            except reset.ResetOver:
                db.session.rollback()
                return "over"
            return "changed"

    with ThreadPoolExecutor(10) as pool:
        outcomes = Counter(pool.map(one, range(20)))

    assert outcomes == {"changed": 1, "over": 19}


def test_asking_again_ends_what_the_first_code_had_opened_ac_67(visitor: Visitor, clock: Clock) -> None:
    prove(visitor)
    clock.step(minutes=2)
    visitor.open("forgot").submit("forgot", nir=ALICE_NIR, channel="email")

    assert visitor.open("forgot/password").step == "forgot"


def test_a_password_changed_meanwhile_ends_it_ac_67(
    app: Flask, alice: str, visitor: Visitor, new_visitor: Visitors, clock: Clock
) -> None:
    prove(visitor)
    clock.step(seconds=61)
    whole(new_visitor())
    clock.step(seconds=1)

    assert choose(visitor, "encore-un-autre-mot-9").step == "forgot"
    assert new_visitor().start().identify(password=NEW_PASSWORD).step == "send"


def test_the_stop_key_of_the_message_ends_it(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    """« Vous n'avez rien demandé ? »: whoever reads the message ends what somebody else began with its code."""
    from idp.messages.stops import Stop, issue_stop
    from idp.mfa.stopping import stop_by_key

    prove(visitor)
    clock.step(seconds=30)
    with app.app_context():
        asked = reset.find_reset(visitor.id)
        assert asked is not None
        assert stop_by_key(issue_stop(Stop(alice, asked.challenge_id)).replace("-", ""), clock())

    assert choose(visitor).step == "forgot"
    clock.step(seconds=1)
    assert visitor.open("identify").identify(password=ALICE_PASSWORD).step == "send"


def test_a_code_for_signing_in_opens_no_reset(visitor: Visitor, new_visitor: Visitors, clock: Clock) -> None:
    signing_in = new_visitor().start().identify().ask_for_code()
    ask(visitor)
    while code_of(visitor) == signing_in.code:
        pytest.skip("the two codes are the same by chance")
    visitor.submit("forgot/code", code=signing_in.code)

    assert visitor.page.status_code == 422


def test_a_reset_code_signs_nobody_in(visitor: Visitor, new_visitor: Visitors, clock: Clock) -> None:
    ask(visitor)
    other = new_visitor().start().identify().ask_for_code()
    if other.code == code_of(visitor):
        pytest.skip("the two codes are the same by chance")

    assert other.type_code(code_of(visitor)).page.status_code == 422


# -- the new password ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "Écrivez votre nouveau"),
        ("court", "trop court"),
        ("motdepasse123", "listes de piratage"),
        (f"x{ALICE_NIR}x", "ce que l’on sait de vous"),
        ("alice.martin@example.fr", "ce que l’on sait de vous"),
    ],
)
def test_a_bad_password_is_refused_with_its_reason_ac_63(visitor: Visitor, password: str, words: str) -> None:
    prove(visitor)
    choose(visitor, password)

    assert visitor.page.status_code == 422
    assert words in visitor.page.text.replace("\u00a0", " ")
    assert choose(visitor).step == "identify"


def test_everything_that_the_old_password_had_begun_ends_ac_69(
    app: Flask, alice: str, visitor: Visitor, new_visitor: Visitors
) -> None:
    elsewhere = new_visitor().sign_in()
    whole(visitor)

    assert elsewhere.start().step == "identify"
    with app.app_context():
        living = session._living_records(alice, visitor.interaction.acted_at)
        db.session.rollback()
    assert living == []


def test_a_sign_in_under_way_with_the_old_password_is_dead_ac_49(
    visitor: Visitor, new_visitor: Visitors, clock: Clock
) -> None:
    elsewhere = new_visitor().start().identify().ask_for_code()
    clock.step(minutes=1)
    whole(visitor)

    assert elsewhere.type_code().step == "identify"


def test_every_channel_is_told_ac_69(app: Flask, visitor: Visitor) -> None:
    whole(visitor)

    told = [(purpose, channel) for purpose, channel, _state in messages(app) if purpose != "reset"]
    assert sorted(told) == [("alert-password-changed", "email"), ("alert-password-changed", "sms")]


def test_the_trail_says_that_it_happened_and_how(app: Flask, alice: str, visitor: Visitor) -> None:
    whole(visitor)

    with app.app_context():
        event = db.session.query(AuditEvent).filter_by(event="password-reset").one()
        assert (event.account_id, event.facts["channel"], event.outcome) == (alice, "email", "ok")


def test_the_pause_of_the_old_password_is_over(visitor: Visitor) -> None:
    visitor.start()
    for _ in range(5):
        visitor.identify(password="wrong-password-1")
    assert visitor.page.status_code == 429
    assert f"/signin/{visitor.id}/forgot" in visitor.page.text
    whole(visitor)

    assert visitor.identify(password=NEW_PASSWORD).step == "send"


# -- one mailbox is not two factors --------------------------------------------------------------------------------


@pytest.mark.parametrize(("channel", "other"), [("email", "sms"), ("sms", "email")])
def test_the_channel_of_the_reset_is_not_the_second_factor_too(visitor: Visitor, channel: str, other: str) -> None:
    """NIST SP 800-63B-4 §4.2.2.2: recovery by two codes over different ways. Whoever reads one mailbox stays out."""
    whole(visitor, channel=channel)
    visitor.identify(password=NEW_PASSWORD)

    shown = {form.get("channel") for form in visitor.browser.forms(visitor.page.text)}
    assert channel not in shown
    refused = visitor.submit("send", channel=channel)
    assert refused.page.status_code == 422
    assert "code" in visitor.ask_for_code(other).type_code().told


def test_it_is_again_once_the_other_one_was_proved(visitor: Visitor, new_visitor: Visitors, clock: Clock) -> None:
    whole(visitor).identify(password=NEW_PASSWORD).ask_for_code("sms").type_code()
    clock.step(minutes=2)

    assert "code" in new_visitor().start().identify(password=NEW_PASSWORD).ask_for_code("email").type_code().told


def test_it_is_again_after_a_week(visitor: Visitor, new_visitor: Visitors, clock: Clock) -> None:
    whole(visitor)
    clock.step(days=7)

    assert "code" in new_visitor().start().identify(password=NEW_PASSWORD).ask_for_code("email").type_code().told


def test_whoever_has_one_channel_only_is_not_shut_out_and_told_no_better_than_it_is(
    app: Flask, visitor: Visitor, new_visitor: Visitors, clock: Clock
) -> None:
    nir = "299132A999003"
    bob = add_bob(app, email=None, mobile="+33698765432")
    whole(visitor, nir=nir, channel="sms")
    clock.step(minutes=2)
    visitor.identify(nir, NEW_PASSWORD).ask_for_code("sms").type_code()

    assert "code" in visitor.told
    assert level_of_last(app, bob) == "urn:sesame:acr:2sv"


def test_a_service_that_demands_two_factors_is_told_that_they_are_not_there(app: Flask, visitor: Visitor) -> None:
    nir = "299132A999003"
    add_bob(app, email=None, mobile="+33698765432")
    whole(visitor, nir=nir, channel="sms")
    claims = '{"id_token": {"acr": {"essential": true, "value": "urn:sesame:acr:mfa"}}}'
    visitor.start(claims=claims).identify(nir, NEW_PASSWORD)

    assert visitor.told["error"] == "unmet_authentication_requirements"


# -- nothing left ----------------------------------------------------------------------------------------------------


def test_whoever_has_lost_everything_is_shown_ways_out(visitor: Visitor) -> None:
    ask(visitor).open("lost")

    assert visitor.page.status_code == 200
    assert "Caf" in visitor.page.text
    assert f"/signin/{visitor.id}/forgot" in visitor.page.text


def test_after_a_hundred_wrong_codes_the_way_goes_by_the_caf(
    app: Flask, alice: str, visitor: Visitor, clock: Clock, http: Browser
) -> None:
    ask(visitor)
    with app.app_context():
        db.session.add(
            guard.CodeGuard(account_id=alice, lane="reset:unknown", failures=100, pauses=9, updated_at=clock())
        )
        db.session.commit()
    visitor.submit("forgot/code", code=code_of(visitor))

    assert visitor.page.status_code == 403
    assert "pièce d’identité" in visitor.page.text

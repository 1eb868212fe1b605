"""From the relying party through every page and back, as a browser does it."""

import re
from datetime import timedelta
from typing import Any

from idp.db import db
from idp.messages import outbox
from idp.oidc.clients import ClientRow, forget_cached_clients
from tests.authorize.conftest import Visitor, error_of, told_to
from tests.authorize.test_checks import granted
from tests.conftest import ALICE_NIR, ALICE_PASSWORD

SHOP = "https://shop.test/cb"


def follow(visitor: Visitor, answer: Any) -> Any:
    """Follow redirects on our own origin, every one of them a 303 (P-03, AC-120)."""
    while answer.status_code != 200:
        assert answer.status_code == 303, answer.status_code
        if not answer.headers["Location"].startswith("/"):
            return answer
        answer = visitor.browser.get(answer.headers["Location"])
    return answer


def mailed_code(visitor: Visitor) -> str:
    """Return the code in the newest mail, taken from the outbox as the worker takes it."""
    with visitor.app.app_context():
        (mail,) = outbox.claim(
            channel="email", worker="test", limit=1, lease=timedelta(seconds=60), now=visitor.clock()
        )
        db.session.commit()
    found = re.search(r"\b(\d{3})\s?(\d{3})\b", mail.message.text)
    assert found, mail.message.text
    return found[1] + found[2]


def sign_in(visitor: Visitor, answer: Any) -> Any:
    """Walk from ``answer`` through NIR, password and mailed code to whatever comes after."""
    page = follow(visitor, answer)
    page = follow(visitor, visitor.browser.submit(page.text, "/identify", nir=ALICE_NIR, password=ALICE_PASSWORD))
    page = follow(visitor, visitor.browser.submit(page.text, "/send", channel="email"))
    return follow(visitor, visitor.browser.submit(page.text, "/code", code=mailed_code(visitor)))


def test_a_walk_ends_with_a_code(visitor: Visitor, alice: str) -> None:
    fields = told_to(sign_in(visitor, visitor.ask(state="é")))

    assert fields["state"] == "é"
    assert granted(visitor.app, fields["code"]).account_id == alice
    assert told_to(visitor.ask(prompt="none"))["code"]


def test_a_walk_that_began_with_a_form_ends_with_a_form(visitor: Visitor, alice: str) -> None:
    page = sign_in(visitor, visitor.ask(method="POST", response_mode="form_post"))

    assert 'action="https://rp.test/callback"' in page.text
    assert 'name="code"' in page.text


def test_prompt_login_asks_for_everything_again_p_33(visitor: Visitor, alice: str) -> None:
    before = granted(visitor.app, told_to(sign_in(visitor, visitor.ask()))["code"]).auth_time
    visitor.clock.step(minutes=2)

    after = granted(visitor.app, told_to(sign_in(visitor, visitor.ask(prompt="login")))["code"]).auth_time

    assert after == before + timedelta(minutes=2)


def test_cancelling_tells_the_relying_party(visitor: Visitor) -> None:
    page = follow(visitor, visitor.ask(state="s" * 128))

    answer = follow(visitor, visitor.browser.submit(page.text, "/cancel"))

    assert error_of(answer) == "access_denied"
    assert told_to(answer)["state"] == "s" * 128


def test_a_third_party_is_agreed_to_once(visitor: Visitor, alice: str) -> None:
    """AC-113, AC-114: the page names what is told, and the answer comes only after « Continuer »."""
    page = sign_in(visitor, visitor.ask("shop", scope="openid email"))

    assert 'id="consent-allow"' in page.text
    assert told_to(follow(visitor, visitor.browser.submit(page.text, "/consent", decision="allow")), SHOP)["code"]
    assert told_to(visitor.ask("shop", scope="openid email", prompt="none"), SHOP)["code"]


def test_a_third_party_says_why_in_the_language_of_the_page(visitor: Visitor, alice: str) -> None:
    """In the reader's language, else in the first of ours, marked as what it is; nothing of it is markup."""
    with visitor.app.app_context():
        row = db.session.get(ClientRow, "shop")
        assert row is not None
        purposes = {"email": {"fr": "Vous écrire <b>", "en": "To write to you"}, "profile": {"fr": "Vous nommer"}}
        row.client_metadata = {**row.client_metadata, "purposes": purposes}
        db.session.commit()
        forget_cached_clients()

    page = sign_in(visitor, visitor.ask("shop", scope="openid email profile"))
    english = visitor.browser.get(page.request.path, headers={"Accept-Language": "en"}).text

    assert 'lang="fr">Vous écrire &lt;b&gt;</span>' in page.text
    assert page.text.count('class="hint" lang=') == 2
    assert 'lang="en">To write to you</span>' in english
    assert 'lang="fr">Vous nommer</span>' in english


def test_a_third_party_that_is_not_agreed_to_learns_nothing(visitor: Visitor, alice: str) -> None:
    page = sign_in(visitor, visitor.ask("shop"))

    answer = follow(visitor, visitor.browser.submit(page.text, "/consent", decision="deny"))

    assert error_of(answer, SHOP) == "access_denied"
    assert error_of(visitor.ask("shop", prompt="none"), SHOP) == "consent_required"


def test_a_consent_of_one_walk_is_worth_nothing_in_another_ac_113(visitor: Visitor, alice: str) -> None:
    visitor.sign_in(alice)
    one, two = follow(visitor, visitor.ask("shop")), visitor.interaction(visitor.ask("shop", scope="openid email"))
    form = next(form for form in visitor.browser.forms(one.text) if form[""].endswith("/consent"))

    crossed = visitor.browser.post(
        f"/signin/{two.id}/consent", data={"csrf": form["csrf"], "decision": "allow"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )  # fmt: skip

    assert crossed.status_code == 403
    assert error_of(visitor.ask("shop", prompt="none"), SHOP) == "consent_required"


def test_the_back_button_after_the_end_is_no_dead_end_u19(visitor: Visitor, alice: str) -> None:
    begun = visitor.ask()
    interaction = visitor.interaction(begun)
    told_to(sign_in(visitor, begun))

    page = follow(visitor, visitor.browser.get(f"/signin/{interaction.id}/code"))

    assert f"/signin/{interaction.id}/restart" in page.text
    assert told_to(follow(visitor, visitor.browser.get(f"/signin/{interaction.id}/restart")))["code"]


def test_the_pages_of_a_sign_in_let_their_forms_lead_to_the_relying_party(visitor: Visitor) -> None:
    """Chromium applies `form-action` to the redirects that follow a form."""
    page = follow(visitor, visitor.ask())

    policy = page.headers["Content-Security-Policy"]
    assert re.search(r"form-action [^;]*https:(//rp\.test)?[ ;]", policy), policy

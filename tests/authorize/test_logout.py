"""Signing out ends everything at once for who may ask, asks first otherwise, and leads to registered places only."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from idp.audit import AuditEvent
from idp.db import db
from idp.oidc.clients import find_client
from idp.oidc.grant import Grant
from idp.oidc.jose.own import sign
from idp.oidc.keys import key_ring
from idp.oidc.refresh import RefreshFamily, issue_family
from idp.signin.interaction import INTERACTIONS
from idp.state import state
from tests.authorize.conftest import COOKIE, Visitor, error_of, told_to
from tests.authorize.test_sessions import id_token
from tests.conftest import ISSUER

BYE = "https://rp.test/bye"


def leave(visitor: Visitor, method: str = "GET", **fields: Any) -> Any:
    """Ask to sign out."""
    if method == "POST":
        return visitor.browser.post("/logout", data=fields)
    return visitor.browser.get("/logout", query_string=fields)


def is_signed_in(visitor: Visitor) -> bool:
    return "code" in told_to(visitor.ask(prompt="none"))


def assert_asked(visitor: Visitor, answer: Any) -> None:
    """Hold an answer to the question, with nothing done yet."""
    assert answer.status_code == 200
    assert 'id="logout-confirm"' in answer.text
    assert "Location" not in answer.headers
    assert "Clear-Site-Data" not in answer.headers
    assert is_signed_in(visitor)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("state", ["s" * 128, "é & +", None])
def test_a_good_hint_ends_the_session_and_leads_back(
    signed_in: Visitor, alice: str, method: str, state: str | None
) -> None:
    """oidcc-rp-initiated-logout, -no-state: exactly that state and nothing else; then prompt=none fails."""
    from urllib.parse import parse_qsl

    fields = {"id_token_hint": id_token(signed_in, alice), "post_logout_redirect_uri": BYE}
    answer = leave(signed_in, method, **fields, **({"state": state} if state else {}))

    assert answer.status_code == 303
    where, _, query = answer.headers["Location"].partition("?")
    assert where == BYE
    assert parse_qsl(query) == ([("state", state)] if state else [])
    assert error_of(signed_in.ask(prompt="none")) == "login_required"
    assert '"cache"' in answer.headers["Clear-Site-Data"]


def test_a_registered_query_is_kept(signed_in: Visitor, alice: str) -> None:
    answer = leave(
        signed_in, id_token_hint=id_token(signed_in, alice), post_logout_redirect_uri=BYE + "?a=1", state="s"
    )

    assert answer.headers["Location"] == BYE + "?a=1&state=s"


def test_a_hint_without_address_shows_the_signed_out_page(signed_in: Visitor, alice: str) -> None:
    """oidcc-rp-initiated-logout-no-post-logout-redirect-uri."""
    signed_in.ask()

    answer = leave(signed_in, id_token_hint=id_token(signed_in, alice), state="s")

    assert answer.status_code == 200
    assert "Web" in answer.text
    assert "logout-confirm" not in answer.text
    assert error_of(signed_in.ask(prompt="none")) == "login_required"


def test_the_cookie_of_before_is_dead_ac_162(
    signed_in: Visitor, new_visitor: Callable[[], Visitor], alice: str
) -> None:
    cookie = signed_in.browser.get_cookie(COOKIE, domain="idp.test")
    assert cookie is not None

    leave(signed_in, id_token_hint=id_token(signed_in, alice))
    copy = new_visitor()
    copy.browser.set_cookie(COOKIE, cookie.value, domain="idp.test", secure=True)

    assert error_of(copy.ask(prompt="none")) == "login_required"


@pytest.mark.parametrize("step", [timedelta(minutes=31), timedelta(hours=13)])
def test_an_idle_session_gives_no_code_ac_163(signed_in: Visitor, step: timedelta) -> None:
    signed_in.clock.step(seconds=step.total_seconds())

    assert error_of(signed_in.ask(prompt="none")) == "login_required"


@pytest.mark.parametrize("fields", [{}, {"state": "s"}, {"post_logout_redirect_uri": BYE}, {"client_id": "web"}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_hint_the_visitor_is_asked_ac_164_p_56(signed_in: Visitor, fields: dict[str, str], method: str) -> None:
    """oidcc-rp-initiated-logout-no-params, -only-state, -no-id-token-hint; `<img src=/logout>`, a cross-site POST."""
    assert_asked(signed_in, leave(signed_in, method, **fields))


def test_a_confirmed_sign_out_ends_the_session(signed_in: Visitor) -> None:
    signed_in.ask()
    question = leave(signed_in, post_logout_redirect_uri=BYE, state="s")

    answer = signed_in.browser.submit(question.text, "/logout")

    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert "Clear-Site-Data" in answer.headers
    assert error_of(signed_in.ask(prompt="none")) == "login_required"


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.tld"}, {"Origin": "https://evil.tld"}]
)
def test_another_site_cannot_confirm_ac_164(signed_in: Visitor, headers: dict[str, str]) -> None:
    question = leave(signed_in)
    form = next(form for form in signed_in.browser.forms(question.text) if form[""].endswith("/logout"))
    form.pop("")

    answer = signed_in.browser.post("/logout", data=form, headers=headers)

    assert answer.status_code == 403
    assert is_signed_in(signed_in)


def test_a_made_up_token_confirms_nothing_ac_164(signed_in: Visitor) -> None:
    answer = signed_in.browser.post("/logout", data={"csrf": "0" * 32, "logout_token": "0" * 32})

    assert answer.status_code == 403
    assert is_signed_in(signed_in)


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.tld/", "//evil.tld", "/\\evil.tld", BYE + "?foo=bar", BYE + "/", BYE + "#x", "http://rp.test/bye",
        "javascript:alert(1)", "https://rp.test/callback", "https://rp.test@evil.tld/bye", " " + BYE,
    ],
)  # fmt: skip
def test_an_unregistered_address_is_never_gone_to_ac_165_p_57(signed_in: Visitor, alice: str, uri: str) -> None:
    """oidcc-rp-initiated-logout-bad-post-logout-redirect-uri, -query-added-to-…"""
    with_hint = leave(signed_in, id_token_hint=id_token(signed_in, alice), post_logout_redirect_uri=uri)
    without = leave(signed_in, post_logout_redirect_uri=uri)

    assert_asked(signed_in, with_hint)
    assert_asked(signed_in, without)
    assert "evil.tld" not in with_hint.text


def test_an_address_sent_twice_is_not_gone_to(signed_in: Visitor, alice: str) -> None:
    hint = id_token(signed_in, alice)

    assert_asked(signed_in, leave(signed_in, id_token_hint=hint, post_logout_redirect_uri=[BYE, "https://evil.tld/"]))


def test_an_expired_hint_counts_ac_166(signed_in: Visitor, alice: str) -> None:
    hint = id_token(signed_in, alice)
    signed_in.clock.step(minutes=20)

    answer = leave(signed_in, id_token_hint=hint, post_logout_redirect_uri=BYE)

    assert answer.headers["Location"] == BYE


@pytest.mark.parametrize("damage", ["tampered", "unsigned", "foreign key", "access token", "rubbish"])
def test_a_bad_hint_only_asks_ac_166(signed_in: Visitor, alice: str, damage: str) -> None:
    """oidcc-rp-initiated-logout-bad-id-token-hint, -modified-id-token-hint; libraries.md §1.4 no. 13."""
    from idp.oidc.jose.own import generate_pem, load_key

    header, payload, signature = id_token(signed_in, alice).split(".")
    claims = {"iss": ISSUER, "aud": "web", "sub": "x", "iat": 1, "exp": 2}
    with signed_in.app.app_context():
        ours = key_ring().active["RS256"]
    bad = {
        "tampered": lambda: f"{header}.{payload[:-6]}AAAAAA.{signature}",
        "unsigned": lambda: f"eyJhbGciOiJub25lIn0.{payload}.",
        "foreign key": lambda: sign(claims, load_key(generate_pem("ES256", rsa_bits=2048), "ES256"), typ="JWT"),
        "access token": lambda: sign(claims, ours, typ="at+jwt"),
        "rubbish": lambda: "x",
    }[damage]()

    assert_asked(signed_in, leave(signed_in, id_token_hint=bad, post_logout_redirect_uri=BYE))


def test_a_hint_of_another_client_does_not_open_this_ones_address_ac_166(signed_in: Visitor, alice: str) -> None:
    hint = id_token(signed_in, alice, "shop")

    assert_asked(signed_in, leave(signed_in, id_token_hint=hint, client_id="web", post_logout_redirect_uri=BYE))
    assert_asked(signed_in, leave(signed_in, id_token_hint=hint, post_logout_redirect_uri="https://shop.test/cb"))


def test_a_hint_at_somebody_else_only_asks(signed_in: Visitor, bob: str) -> None:
    """Nobody signs a stranger out with his own ID token."""
    assert_asked(signed_in, leave(signed_in, id_token_hint=id_token(signed_in, bob), post_logout_redirect_uri=BYE))


def test_who_is_not_signed_in_is_led_back_all_the_same(visitor: Visitor, alice: str) -> None:
    answer = leave(visitor, id_token_hint=id_token(visitor, alice), post_logout_redirect_uri=BYE)

    assert answer.headers["Location"] == BYE


def test_who_is_not_signed_in_sees_the_signed_out_page(visitor: Visitor) -> None:
    answer = leave(visitor, post_logout_redirect_uri="https://evil.tld/")

    assert answer.status_code == 200
    assert "Location" not in answer.headers


def test_a_form_from_another_site_comes_back_with_the_cookie(signed_in: Visitor, alice: str) -> None:
    fields = {"id_token_hint": id_token(signed_in, alice), "post_logout_redirect_uri": BYE, "state": "s"}
    stranger = signed_in.app.test_client()

    answer = stranger.post("/logout", data=fields, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 303
    assert signed_in.browser.get(answer.headers["Location"]).headers["Location"] == BYE + "?state=s"
    assert error_of(signed_in.ask(prompt="none")) == "login_required"


def test_walks_under_way_end_with_the_session(signed_in: Visitor, alice: str) -> None:
    interaction = signed_in.interaction(signed_in.ask(prompt="login"))

    leave(signed_in, id_token_hint=id_token(signed_in, alice))

    assert signed_in.browser.get(interaction.resume_url).status_code == 400
    with signed_in.app.app_context():
        assert state.get(INTERACTIONS, interaction.id) is None


def test_what_was_granted_for_the_session_ends_and_offline_access_stays(signed_in: Visitor, alice: str) -> None:
    session = signed_in.session()
    assert session is not None
    with signed_in.app.app_context():
        for number, scopes in enumerate((("openid",), ("openid", "offline_access"))):
            grant = Grant(
                id=f"{number}" * 22, client_id="web", account_id=alice, sid=str(session.sid), scopes=scopes,
                auth_time=signed_in.clock(), acr="x", amr=(),
            )  # fmt: skip
            issue_family(grant, signed_in.clock())
        db.session.commit()

    leave(signed_in, id_token_hint=id_token(signed_in, alice))

    with signed_in.app.app_context():
        families = db.session.scalars(select(RefreshFamily).order_by(RefreshFamily.id)).all()
        assert [family.revoked_at is None for family in families] == [False, True]


def test_a_sign_out_leaves_a_trace_without_a_name(signed_in: Visitor, alice: str) -> None:
    leave(signed_in, id_token_hint=id_token(signed_in, alice))

    with signed_in.app.app_context():
        (trace,) = db.session.scalars(select(AuditEvent).where(AuditEvent.event == "sign-out"))
        assert trace.account_id == alice


def test_the_next_person_gets_a_session_of_their_own_ac_173(signed_in: Visitor, alice: str, bob: str) -> None:
    before = signed_in.session()
    leave(signed_in, id_token_hint=id_token(signed_in, alice))

    signed_in.walk(signed_in.ask(), bob)

    after = signed_in.session()
    assert before is not None
    assert after is not None
    assert after.account_id == bob
    assert after.sid != before.sid


@pytest.mark.parametrize("raw", ["state=%00", "state=%ff", "state=" + "x" * 5000])
def test_unreadable_requests_are_refused(signed_in: Visitor, raw: str) -> None:
    assert signed_in.browser.get("/logout?" + raw).status_code == 400


def test_the_registered_client_exists(app: Any) -> None:
    with app.app_context():
        assert find_client("web") is not None

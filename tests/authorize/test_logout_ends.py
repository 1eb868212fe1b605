"""What ends with a session: codes under way, tokens, families, steps, whichever way the session ended (V7)."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp import audit, session, session_clients
from idp.audit import AuditEvent
from idp.db import db
from idp.oidc.clients import find_client
from idp.oidc.id_token import sid_for
from idp.oidc.sign_out import sign_out_everywhere
from idp.session import SessionRecord
from idp.session_clients import SessionClient
from tests.authorize.conftest import CALLBACK, VERIFIER, Parties, Visitor, add_client, error_of, told_to
from tests.authorize.test_logout import BYE, leave
from tests.authorize.test_sessions import id_token

APP_CALLBACK = "fr.caf.app:/callback"


def redeem(visitor: Visitor, parties: Parties, code: str) -> Any:
    """Exchange a code as `web`."""
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER,
    }  # fmt: skip
    return visitor.browser.post("/token", data=form, auth=("web", parties.secret))


def confirm(visitor: Visitor) -> None:
    """Sign out by hand."""
    answer = visitor.browser.submit(leave(visitor).text, "/logout")
    assert answer.status_code == 200


def userinfo(visitor: Visitor, token: str) -> int:
    return int(visitor.browser.get("/userinfo", headers={"Authorization": f"Bearer {token}"}).status_code)


def refresh(visitor: Visitor, parties: Parties, token: str, client_id: str = "web") -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    if client_id != "web":
        return visitor.browser.post("/token", data={**form, "client_id": client_id})
    return visitor.browser.post("/token", data=form, auth=("web", parties.secret))


def end_by_hand(visitor: Visitor, _bob: str, _alice: str) -> None:
    confirm(visitor)


def end_by_another_person(visitor: Visitor, bob: str, _alice: str) -> None:
    visitor.sign_in(bob)


def end_elsewhere(visitor: Visitor, _bob: str, alice: str) -> None:
    with visitor.app.app_context():
        session.end_sessions_of(alice, visitor.clock())
        db.session.commit()


def end_by_too_many(visitor: Visitor, _bob: str, alice: str) -> None:
    for _ in range(50):
        visitor.clock.step(seconds=0.1)
        Visitor(visitor.app.test_client(), visitor.app, visitor.clock).sign_in(alice)  # type: ignore[arg-type]


WAYS = [end_by_hand, end_by_another_person, end_elsewhere, end_by_too_many]
every_way = pytest.mark.parametrize("end", WAYS)


@every_way
def test_a_code_under_way_buys_nothing_after_the_session_ended(
    signed_in: Visitor, parties: Parties, alice: str, bob: str, end: Callable[..., None]
) -> None:
    code = told_to(signed_in.ask())["code"]

    end(signed_in, bob, alice)
    answer = redeem(signed_in, parties, code)

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")


@every_way
def test_an_access_token_is_dead_after_the_session_ended(
    signed_in: Visitor, parties: Parties, alice: str, bob: str, end: Callable[..., None]
) -> None:
    token = redeem(signed_in, parties, told_to(signed_in.ask())["code"]).json["access_token"]
    assert userinfo(signed_in, token) == 200

    end(signed_in, bob, alice)

    assert userinfo(signed_in, token) == 401
    introspected = signed_in.browser.post("/introspect", data={"token": token}, auth=("web", parties.secret))
    assert introspected.json == {"active": False}


@every_way
def test_a_refresh_token_is_dead_after_the_session_ended(
    signed_in: Visitor, parties: Parties, alice: str, bob: str, end: Callable[..., None]
) -> None:
    with signed_in.app.app_context():
        _client, secret = add_client("again", grant_types=["authorization_code", "refresh_token"])
    form = {
        "grant_type": "authorization_code", "code": told_to(signed_in.ask("again"))["code"],
        "redirect_uri": CALLBACK, "code_verifier": VERIFIER,
    }  # fmt: skip
    token = signed_in.browser.post("/token", data=form, auth=("again", secret)).json["refresh_token"]

    end(signed_in, bob, alice)
    answer = signed_in.browser.post(
        "/token", data={"grant_type": "refresh_token", "refresh_token": token}, auth=("again", secret)
    )

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")


def test_a_family_that_was_begun_while_the_session_ended_is_dead(
    signed_in: Visitor, parties: Parties, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session ends after the code was taken and before the family is written."""
    from idp.oidc.grants import authorization_code

    with signed_in.app.app_context():
        _client, secret = add_client("again", grant_types=["authorization_code", "refresh_token"])
    form = {
        "grant_type": "authorization_code", "code": told_to(signed_in.ask("again"))["code"],
        "redirect_uri": CALLBACK, "code_verifier": VERIFIER,
    }  # fmt: skip
    real = authorization_code.redeem_code

    def redeem_then_end(value: str) -> Any:
        code = real(value)
        session.end_sessions_of(alice, signed_in.clock())
        db.session.commit()
        return code

    monkeypatch.setattr(authorization_code, "redeem_code", redeem_then_end)
    bought = signed_in.browser.post("/token", data=form, auth=("again", secret)).json
    again = {"grant_type": "refresh_token", "refresh_token": bought["refresh_token"]}

    assert userinfo(signed_in, bought["access_token"]) == 401
    assert signed_in.browser.post("/token", data=again, auth=("again", secret)).status_code == 400


def sign_in_the_app(visitor: Visitor) -> dict[str, Any]:
    """Return the tokens of a phone that may act offline."""
    with visitor.app.app_context():
        add_client(
            "phone", kind="mobile", redirect_uris=[APP_CALLBACK], scope="openid offline_access",
            grant_types=["authorization_code", "refresh_token"],
        )  # fmt: skip
    answer = visitor.ask("phone", redirect_uri=APP_CALLBACK, scope="openid offline_access", prompt="consent")
    if "/signin/" in answer.headers["Location"]:
        account = visitor.session()
        assert account is not None
        answer = visitor.walk(answer, str(account.account_id), consented=True)
    form = {
        "grant_type": "authorization_code", "code": told_to(answer, APP_CALLBACK)["code"], "client_id": "phone",
        "redirect_uri": APP_CALLBACK, "code_verifier": VERIFIER,
    }  # fmt: skip
    bought: dict[str, Any] = visitor.browser.post("/token", data=form).json
    assert "offline_access" in bought["scope"]
    return bought


def test_offline_access_outlives_a_sign_out_and_not_signing_out_everywhere_ac_171(
    signed_in: Visitor, new_visitor: Callable[[], Visitor], parties: Parties, alice: str
) -> None:
    bought = sign_in_the_app(signed_in)
    confirm(signed_in)
    kept = refresh(signed_in, parties, bought["refresh_token"], "phone")
    assert kept.status_code == 200, kept.text
    assert userinfo(signed_in, bought["access_token"]) == 200

    computer = new_visitor()
    computer.sign_in(alice)
    with signed_in.app.app_context():
        assert sign_out_everywhere(alice, signed_in.clock(), reason="asked") == 1
        audit.flush()

    assert refresh(signed_in, parties, kept.json["refresh_token"], "phone").status_code == 400
    assert userinfo(signed_in, kept.json["access_token"]) == 401
    assert error_of(computer.ask(prompt="none")) == "login_required"
    with signed_in.app.app_context():
        trace = db.session.query(AuditEvent).filter_by(event="sign-out-everywhere").one()
        assert (trace.account_id, trace.reason, trace.facts["sessions"]) == (alice, "asked", 1)


def test_signing_out_everywhere_else_keeps_the_session_here(
    signed_in: Visitor, new_visitor: Callable[[], Visitor], alice: str
) -> None:
    there = new_visitor()
    there.sign_in(alice)
    here = signed_in.session()
    assert here is not None

    with signed_in.app.app_context():
        sign_out_everywhere(alice, signed_in.clock(), reason="asked", except_sid=here.sid)

    assert error_of(there.ask(prompt="none")) == "login_required"
    assert told_to(signed_in.ask(prompt="none"))["code"]


def test_a_code_of_another_session_still_buys(
    signed_in: Visitor, new_visitor: Callable[[], Visitor], parties: Parties, alice: str
) -> None:
    there = new_visitor()
    there.sign_in(alice)
    code = told_to(there.ask())["code"]
    signed_in.ask()

    confirm(signed_in)

    assert redeem(there, parties, code).status_code == 200


def test_grants_of_two_clients_have_nothing_in_common_ac_217(signed_in: Visitor, app: Flask) -> None:
    with app.app_context():
        add_client("elsewhere", redirect_uris=["https://else.test/cb"])
    codes = [
        told_to(signed_in.ask())["code"],
        told_to(signed_in.ask("elsewhere", redirect_uri="https://else.test/cb"), "https://else.test/cb")["code"],
    ]

    assert codes[0][:11] != codes[1][:11]


def test_two_grants_of_one_session_at_one_client_are_two(signed_in: Visitor) -> None:
    first, second = (told_to(signed_in.ask())["code"] for _ in range(2))

    assert first[:11] == second[:11]
    assert first[:22] != second[:22]


# -- a session that only time had ended ------------------------------------------------------------------------------


def own_hint(visitor: Visitor, parties: Parties) -> str:
    """Return the ID token that `web` really got."""
    return str(redeem(visitor, parties, told_to(visitor.ask())["code"]).json["id_token"])


def states(app: Flask) -> dict[str, str]:
    with app.app_context():
        return {row.client_id: row.state for row in db.session.query(SessionClient)}


def test_who_signs_out_of_a_service_after_an_hour_is_signed_out_of_all(
    signed_in: Visitor, parties: Parties, app: Flask
) -> None:
    """RP-Initiated Logout §2: "a current session or had a recent session at the OP"."""
    with app.app_context():
        add_client("other", backchannel_logout_uri="https://rp.test/bcl")
    hint = own_hint(signed_in, parties)
    signed_in.ask("other")
    signed_in.clock.step(minutes=61)

    answer = leave(signed_in, id_token_hint=hint, post_logout_redirect_uri=BYE)

    assert answer.headers["Location"] == BYE
    assert states(app) == {"web": "closed", "other": "queued"}
    with app.app_context():
        assert db.session.query(SessionRecord).one().ended_at == signed_in.clock()


def test_a_hint_from_an_earlier_session_of_this_browser_ends_both(
    signed_in: Visitor, parties: Parties, app: Flask, alice: str
) -> None:
    hint = own_hint(signed_in, parties)
    signed_in.clock.step(minutes=61)
    signed_in.sign_in(alice)
    signed_in.ask()

    leave(signed_in, id_token_hint=hint)

    with app.app_context():
        assert [row.state for row in db.session.query(SessionClient)] == ["closed", "closed"]


def test_a_hint_without_the_browser_ends_no_living_session(
    signed_in: Visitor, new_visitor: Callable[[], Visitor], parties: Parties, app: Flask
) -> None:
    """An ID token that leaked signs nobody out of the browser that they use."""
    hint = own_hint(signed_in, parties)

    answer = leave(new_visitor(), id_token_hint=hint, post_logout_redirect_uri=BYE)

    assert answer.headers["Location"] == BYE
    assert told_to(signed_in.ask(prompt="none"))["code"]
    assert states(app) == {"web": "open"}


def test_a_hint_with_the_sid_of_somebody_else_ends_nothing(
    signed_in: Visitor, new_visitor: Callable[[], Visitor], bob: str, app: Flask
) -> None:
    signed_in.ask()
    there = signed_in.session()
    assert there is not None
    signed_in.clock.step(minutes=61)
    with app.app_context():
        client = find_client("web")
        assert client is not None
        db.session.query(SessionClient).update({"their_sid": sid_for("s" * 22, client)})
        db.session.commit()

    leave(new_visitor(), id_token_hint=id_token(signed_in, bob))

    assert states(app) == {"web": "open"}


def test_the_list_of_whom_a_session_reached_is_forgotten_after_a_while(signed_in: Visitor, app: Flask) -> None:
    from datetime import timedelta

    signed_in.ask()
    signed_in.clock.step(days=30)

    with app.app_context():
        assert session_clients.purge(keep=timedelta(days=31), now=signed_in.clock()) == 0
        assert session_clients.purge(keep=timedelta(days=30), now=signed_in.clock()) == 1
        assert session.purge_records(signed_in.clock()) == 0
        signed_in.clock.step(days=61)
        assert session.purge_records(signed_in.clock()) == 1
        db.session.commit()

"""Who is signed in already goes straight on, unless the request asks for more than was proved (P-31..34)."""

import json
from datetime import timedelta

import pytest

from idp.oidc.grant import Grant
from idp.oidc.id_token import issue_id_token
from tests.authorize.conftest import VERIFIER, Parties, Visitor, error_of, subject, told_to
from tests.authorize.test_checks import granted


def test_a_signed_in_visitor_gets_a_code_at_once(signed_in: Visitor) -> None:
    fields = told_to(signed_in.ask())

    assert set(fields) == {"code", "state", "iss"}
    assert fields["state"] == "a state"
    assert len(fields["code"]) == 65


def test_the_code_buys_tokens_with_the_same_issuer_p_21_p_68(signed_in: Visitor, parties: Parties, alice: str) -> None:
    fields = told_to(signed_in.ask())

    form = {
        "grant_type": "authorization_code", "code": fields["code"], "redirect_uri": "https://rp.test/callback",
        "code_verifier": VERIFIER,
    }  # fmt: skip
    answer = signed_in.browser.post("/token", data=form, auth=("web", parties.secret))

    assert answer.status_code == 200, answer.text
    metadata = signed_in.browser.get("/.well-known/openid-configuration").json
    assert metadata is not None
    assert metadata["issuer"] == fields["iss"]
    assert metadata["authorization_response_iss_parameter_supported"] is True


def test_the_client_is_kept_for_the_sign_out(signed_in: Visitor) -> None:
    signed_in.ask()
    signed_in.ask()

    session = signed_in.session()
    assert session is not None
    assert session.clients == ("web",)


def test_a_signed_in_visitor_costs_no_sql(signed_in: Visitor) -> None:
    from sqlalchemy import event

    from idp.db import db

    signed_in.ask()
    statements: list[str] = []
    with signed_in.app.app_context():
        engine = db.engine

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    told_to(signed_in.ask())
    event.remove(engine, "before_cursor_execute", note)

    assert statements == []


def test_prompt_none_without_session_answers_login_required_p_31(visitor: Visitor) -> None:
    """oidcc-prompt-none-not-logged-in."""
    state = "s" * 128

    answer = visitor.ask(prompt="none", state=state)

    assert error_of(answer) == "login_required"
    assert told_to(answer)["state"] == state
    assert "Set-Cookie" not in answer.headers


def test_prompt_none_with_session_answers_at_once(signed_in: Visitor) -> None:
    """oidcc-prompt-none-logged-in."""
    assert told_to(signed_in.ask(prompt="none"))["code"]


def test_prompt_login_asks_again_and_moves_auth_time_p_33(signed_in: Visitor, alice: str) -> None:
    """oidcc-prompt-login."""
    before = granted(signed_in.app, told_to(signed_in.ask())["code"]).auth_time

    answer = signed_in.ask(prompt="login")
    interaction = signed_in.interaction(answer)
    signed_in.clock.step(seconds=5)
    code = told_to(signed_in.walk(answer, alice))["code"]

    assert interaction.proofs == ()
    assert granted(signed_in.app, code).auth_time == before + timedelta(seconds=15)


def test_prompt_login_within_the_same_tick_still_asks(visitor: Visitor, alice: str) -> None:
    visitor.sign_in(alice)

    assert visitor.interaction(visitor.ask(prompt="login"))


def test_select_account_asks_who(signed_in: Visitor) -> None:
    assert signed_in.interaction(signed_in.ask(prompt="select_account")).proofs == ()


def test_an_old_sign_in_is_renewed_p_34(signed_in: Visitor, alice: str) -> None:
    """oidcc-max-age-1."""
    answer = signed_in.ask(max_age="1")

    assert signed_in.interaction(answer).proofs == ()
    assert told_to(signed_in.walk(answer, alice))["code"]


def test_a_young_enough_sign_in_is_kept(signed_in: Visitor) -> None:
    """oidcc-max-age-10000."""
    first = granted(signed_in.app, told_to(signed_in.ask(max_age="15000"))["code"])
    second = granted(signed_in.app, told_to(signed_in.ask(max_age="10000"))["code"])

    assert first.auth_time == second.auth_time


def test_a_sign_in_of_exactly_that_age_is_kept(signed_in: Visitor) -> None:
    assert told_to(signed_in.ask(max_age="10", prompt="none"))["code"]
    assert error_of(signed_in.ask(max_age="9", prompt="none")) == "login_required"


def test_max_age_zero_asks_again(signed_in: Visitor) -> None:
    assert error_of(signed_in.ask(max_age="0", prompt="none")) == "login_required"


def test_the_default_age_of_a_client_counts_when_the_request_names_none(signed_in: Visitor) -> None:
    fresh = signed_in.ask("narrow", prompt="none")
    signed_in.clock.step(seconds=60)
    old = signed_in.ask("narrow", prompt="none")
    asked_for = signed_in.ask("narrow", prompt="none", max_age="1000")

    assert told_to(fresh)["code"]
    assert error_of(old) == "login_required"
    assert told_to(asked_for)["code"]


def id_token(visitor: Visitor, account_id: str, client_id: str = "web") -> str:
    """Return an ID token that the client may hold."""
    from idp.oidc.clients import find_client

    with visitor.app.app_context():
        client = find_client(client_id)
        assert client is not None
        grant = Grant(
            id="g" * 22, client_id=client_id, account_id=account_id, sid="s" * 22, scopes=("openid",),
            auth_time=visitor.clock(), acr="urn:sesame:acr:2sv", amr=("pwd", "otp"),
        )  # fmt: skip
        return issue_id_token(grant, client, now=visitor.clock())


def test_a_hint_at_the_person_who_is_there_changes_nothing(signed_in: Visitor, alice: str) -> None:
    """oidcc-id-token-hint."""
    hint = id_token(signed_in, alice)

    assert told_to(signed_in.ask(prompt="none", id_token_hint=hint))["code"]


def test_only_the_hinted_person_may_finish_a_walk(signed_in: Visitor, alice: str, bob: str) -> None:
    again = {"prompt": "login", "id_token_hint": id_token(signed_in, alice)}

    assert signed_in.interaction(signed_in.ask(**again)).demand.account_id == alice
    assert error_of(signed_in.walk(signed_in.ask(**again), bob)) == "login_required"
    hint = id_token(signed_in, alice)
    assert signed_in.interaction(signed_in.ask(prompt="login", id_token_hint=hint)).demand.account_id is None


def test_an_expired_hint_is_still_a_hint(signed_in: Visitor, alice: str) -> None:
    hint = id_token(signed_in, alice)
    signed_in.clock.step(minutes=20)

    assert told_to(signed_in.ask(prompt="none", id_token_hint=hint))["code"]


def test_a_hint_at_another_person_is_never_answered_with_this_one(signed_in: Visitor, bob: str, alice: str) -> None:
    hint = id_token(signed_in, bob)

    assert error_of(signed_in.ask(prompt="none", id_token_hint=hint)) == "login_required"
    answer = signed_in.ask(id_token_hint=hint)
    assert error_of(signed_in.walk(answer, alice)) == "login_required"


def test_a_hint_at_another_person_lets_that_person_sign_in(signed_in: Visitor, bob: str) -> None:
    answer = signed_in.ask(id_token_hint=id_token(signed_in, bob))

    assert told_to(signed_in.walk(answer, bob))["code"]


@pytest.mark.parametrize("damage", ["foreign", "tampered", "unsigned", "rubbish"])
def test_a_bad_hint_is_refused(signed_in: Visitor, alice: str, damage: str) -> None:
    token = id_token(signed_in, alice, "shop" if damage == "foreign" else "web")
    header, payload, signature = token.split(".")
    bad = {
        "foreign": token,
        "tampered": f"{header}.{payload[:-4]}AAAA.{signature}",
        "unsigned": f"eyJhbGciOiJub25lIn0.{payload}.",
        "rubbish": "x.y.z",
    }[damage]

    assert error_of(signed_in.ask(id_token_hint=bad)) == "invalid_request"


def test_a_demanded_sub_counts_like_a_hint(signed_in: Visitor, alice: str, bob: str) -> None:
    def claims(account_id: str) -> str:
        return json.dumps({"id_token": {"sub": {"value": subject(signed_in.app, account_id)}}})

    assert told_to(signed_in.ask(prompt="none", claims=claims(alice)))["code"]
    assert error_of(signed_in.ask(prompt="none", claims=claims(bob))) == "login_required"
    assert error_of(signed_in.ask(claims=claims(bob), id_token_hint=id_token(signed_in, alice))) == "invalid_request"


def essential(*values: str) -> str:
    """Return a claims parameter that demands one of the levels."""
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


def test_acr_values_are_a_wish(signed_in: Visitor) -> None:
    code = told_to(signed_in.ask(prompt="none", acr_values="urn:sesame:acr:mfa"))["code"]

    assert granted(signed_in.app, code).acr == "urn:sesame:acr:2sv"


def test_a_wish_is_handed_to_the_pages(visitor: Visitor) -> None:
    demand = visitor.interaction(visitor.ask(acr_values="urn:sesame:acr:mfa phrh 1")).demand

    assert demand.wished_levels == ("urn:sesame:acr:mfa",)
    assert demand.levels == ()


def test_an_essential_acr_is_a_demand(signed_in: Visitor, alice: str) -> None:
    asked = essential("urn:sesame:acr:mfa")

    assert error_of(signed_in.ask(prompt="none", claims=asked)) == "login_required"
    answer = signed_in.ask(claims=asked)
    assert signed_in.interaction(answer).demand.levels == ("urn:sesame:acr:mfa",)
    code = told_to(signed_in.walk(answer, alice, acr="urn:sesame:acr:mfa"))["code"]
    assert granted(signed_in.app, code).acr == "urn:sesame:acr:mfa"


def test_a_walk_that_ends_too_low_gives_no_code(signed_in: Visitor, alice: str) -> None:
    answer = signed_in.ask(claims=essential("urn:sesame:acr:mfa"))

    assert error_of(signed_in.walk(answer, alice)) == "unmet_authentication_requirements"


def test_an_unmet_level_is_told_r5(signed_in: Visitor, alice: str) -> None:
    answer = signed_in.ask(claims=essential("urn:sesame:acr:mfa"))

    assert error_of(signed_in.walk(answer, alice, outcome="unmet")) == "unmet_authentication_requirements"


def test_an_essential_acr_that_does_not_exist_is_told_at_once_r5(visitor: Visitor) -> None:
    assert error_of(visitor.ask(claims=essential("urn:eidas:high"))) == "unmet_authentication_requirements"


def test_a_stronger_session_answers_with_the_value_that_was_demanded(visitor: Visitor, alice: str) -> None:
    visitor.sign_in(alice, "urn:sesame:acr:mfa")

    demanded = told_to(visitor.ask(claims=essential("urn:sesame:acr:2sv")))["code"]
    wished = told_to(visitor.ask(acr_values="urn:sesame:acr:2sv"))["code"]

    assert granted(visitor.app, demanded).acr == "urn:sesame:acr:2sv"
    assert granted(visitor.app, wished).acr == "urn:sesame:acr:mfa"


def test_an_app_behind_a_private_scheme_never_gets_a_silent_code_p_65(signed_in: Visitor, alice: str) -> None:
    private = {"redirect_uri": "fr.caf.app:/callback"}

    assert error_of(signed_in.ask("mobile", prompt="none", **private), "fr.caf.app:/callback") == "interaction_required"
    answer = signed_in.ask("mobile", **private)
    assert signed_in.interaction(answer).demand.consent_to is not None
    assert told_to(signed_in.walk(answer, alice, consented=True), "fr.caf.app:/callback")["code"]


def test_signing_in_is_gesture_enough_for_an_app_p_65(visitor: Visitor, alice: str) -> None:
    answer = visitor.ask("mobile", redirect_uri="fr.caf.app:/callback")

    assert visitor.interaction(answer).demand.consent_to is None
    assert told_to(visitor.walk(answer, alice), "fr.caf.app:/callback")["code"]


def test_a_service_that_sends_the_visitor_back_again_and_again_gets_no_further_code_u20(signed_in: Visitor) -> None:
    navigating = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}
    signed_in.browser.environ_base.update({"HTTP_" + n.upper().replace("-", "_"): v for n, v in navigating.items()})

    statuses = [signed_in.ask().status_code for _ in range(9)]
    again = signed_in.ask().status_code

    assert statuses == [303] * 8 + [409]
    assert again == 303

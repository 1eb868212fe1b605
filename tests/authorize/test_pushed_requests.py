"""A pushed request is named in the browser, counts alone, and is answered once (RFC 9126, AC-108)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.authorize.conftest import VERIFIER, Parties, Visitor, add_client, assert_page, error_of, told_to
from tests.conftest import Clock
from tests.oidc.proofs import ec_key, jwks, new_key, proof_for

PREFIX = "urn:ietf:params:oauth:request_uri:"


@pytest.fixture
def push(visitor: Visitor, parties: Parties) -> Callable[..., str]:
    """Return an act that pushes a request of `web` and returns its name."""

    def act(**changes: Any) -> str:
        answer = visitor.push(parties.secret, **changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json["request_uri"])

    return act


def test_it_is_answered_like_a_plain_one(signed_in: Visitor, push: Callable[..., str]) -> None:
    answer = told_to(signed_in.ask_by(push(state="pushed")))

    assert answer["code"]
    assert answer["state"] == "pushed"


def test_it_starts_a_walk_and_comes_back_after_it(visitor: Visitor, push: Callable[..., str], alice: str) -> None:
    assert told_to(visitor.walk(visitor.ask_by(push()), alice))["code"]


def test_what_stands_beside_it_does_not_count(signed_in: Visitor, push: Callable[..., str]) -> None:
    """RFC 9126 §4 with RFC 9101 §6.3: "only use the parameters in the Request Object"."""
    answer = signed_in.ask_by(
        push(state="in", scope="openid"), state="out", redirect_uri="https://shop.test/cb", response_type="token",
        scope="openid email", prompt="none login", response_mode="fragment", nonce="out",
    )  # fmt: skip

    assert told_to(answer)["state"] == "in"


def test_reading_the_page_twice_does_not_use_it_up_p_74(visitor: Visitor, push: Callable[..., str], alice: str) -> None:
    """par-ensure-reused-request-uri-prior-to-auth-completion-succeeds."""
    name = push()

    first, second = visitor.ask_by(name), visitor.ask_by(name)

    assert first.status_code == second.status_code == 303
    assert told_to(visitor.walk(second, alice))["code"]


def test_an_answer_uses_it_up_ac_108(visitor: Visitor, push: Callable[..., str], alice: str) -> None:
    """par-attempt-reuse-request_uri; whoever was on the way already with the same request comes too late."""
    name = push()
    early = visitor.ask_by(name)

    first = told_to(visitor.walk(visitor.ask_by(name), alice))
    late = visitor.walk(early, alice)

    assert first["code"]
    assert error_of(late) == "invalid_request_uri"
    assert_page(visitor.ask_by(name))


def test_a_refusal_uses_it_up_too_ac_108(visitor: Visitor, push: Callable[..., str], alice: str) -> None:
    name = push()

    assert error_of(visitor.walk(visitor.ask_by(name), alice, outcome="cancelled")) == "access_denied"
    assert_page(visitor.ask_by(name))


def test_of_two_answers_at_once_one_is_given_ac_108(
    signed_in: Visitor, new_visitor: Callable[[], Visitor], push: Callable[..., str], alice: str
) -> None:
    name, visitors, answers = push(), [new_visitor() for _ in range(6)], []
    for one in visitors:
        one.sign_in(alice)
    gate = threading.Barrier(len(visitors))

    def race(one: Visitor) -> None:
        gate.wait()
        answers.append(one.ask_by(name))

    threads = [threading.Thread(target=race, args=(one,)) for one in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    codes = [answer for answer in answers if "code=" in answer.headers.get("Location", "")]
    assert len(answers) == 6
    assert len(codes) == 1
    assert all(answer.status_code in {303, 400} for answer in answers)


@pytest.mark.parametrize(("seconds", "is_good"), [(89, True), (90, False), (600, False)])
def test_it_ends_soon_ac_108(
    signed_in: Visitor, push: Callable[..., str], clock: Clock, seconds: int, is_good: bool
) -> None:
    name = push()
    clock.step(seconds=seconds)
    answer = signed_in.ask_by(name)

    assert told_to(answer)["code"] if is_good else assert_page(answer) is None


def test_a_walk_that_began_in_time_may_take_its_time(
    visitor: Visitor, push: Callable[..., str], alice: str, clock: Clock
) -> None:
    began = visitor.ask_by(push())
    clock.step(minutes=20)

    assert told_to(visitor.walk(began, alice))["code"]


def test_another_clients_or_a_guessed_one_is_refused_ac_108(signed_in: Visitor, push: Callable[..., str]) -> None:
    """par-attempt-to-use-request_uri-for-different-client."""
    name = push()

    assert_page(signed_in.ask_by(name, "narrow"))
    assert_page(signed_in.ask_by(name, "unknown"))
    assert_page(signed_in.ask_by(PREFIX + "A" * 43))
    assert_page(signed_in.ask_by(PREFIX))
    assert_page(signed_in.ask_by(name + "x"))
    assert_page(signed_in.ask_by(name.upper()))
    assert told_to(signed_in.ask_by(name))["code"]


def test_the_refusal_goes_to_a_registered_redirect_uri_where_one_is_told(signed_in: Visitor) -> None:
    told = error_of(signed_in.ask_by(PREFIX + "x", redirect_uri="https://rp.test/callback"))

    assert told == "invalid_request_uri"
    assert_page(signed_in.ask_by(PREFIX + "x", redirect_uri="https://evil.test/"))


def test_one_request_has_one_source(signed_in: Visitor, push: Callable[..., str]) -> None:
    name = push()
    twice = signed_in.browser.get("/authorize", query_string=[("client_id", "web"), *[("request_uri", name)] * 2])

    assert_page(twice)
    assert_page(signed_in.ask_by(name, request="x.y.z"))


def test_its_parameters_are_in_no_cookie_and_no_address_ac_108(visitor: Visitor, push: Callable[..., str]) -> None:
    """CVE-2024-4540: what was pushed to be hidden must not come back in a cookie."""
    answer = visitor.ask_by(push(state="very-secret-state", nonce="very-secret-nonce"))
    shown = str(answer.headers) + answer.text

    assert answer.status_code == 303
    assert "very-secret" not in shown


def test_a_client_that_must_push_sends_nothing_else_p_73(app: Flask, signed_in: Visitor) -> None:
    with app.app_context():
        _, secret = add_client("pusher", require_pushed_authorization_requests=True)
        add_client(
            "bank", security_profile="fapi2", auth_method="private_key_jwt", jwks=jwks(ec_key("bank")),
            dpop_bound_access_tokens=True,
        )  # fmt: skip

    assert error_of(signed_in.ask("pusher")) == "invalid_request"
    assert error_of(signed_in.ask("bank")) == "invalid_request"
    name = signed_in.push(str(secret), "pusher").json["request_uri"]
    assert told_to(signed_in.ask_by(name, "pusher"))["code"]


def test_the_code_belongs_to_the_key_that_was_proved_when_pushing(signed_in: Visitor, parties: Parties) -> None:
    """RFC 9449 §10.1, from the push to the token."""
    key = new_key()

    def code() -> str:
        name = signed_in.push(parties.secret, headers=proof_for(key, "/par")).json["request_uri"]
        return told_to(signed_in.ask_by(name))["code"]

    def redeemed(headers: dict[str, str]) -> Any:
        form = {"grant_type": "authorization_code", "redirect_uri": "https://rp.test/callback", "code": code()}
        return signed_in.browser.post(
            "/token", data={**form, "code_verifier": VERIFIER}, headers=headers, auth=("web", parties.secret)
        )

    assert redeemed({}).json["error"] == "invalid_grant"
    assert redeemed(proof_for(new_key())).json["error"] == "invalid_grant"
    assert redeemed(proof_for(key)).json["token_type"] == "DPoP"


def test_a_nonce_of_64_characters_works_p_75(signed_in: Visitor, parties: Parties, push: Callable[..., str]) -> None:
    import json

    from tests.oidc.proofs import decode

    code = told_to(signed_in.ask_by(push(nonce="n" * 64, state="s" * 512)))["code"]
    form = {"grant_type": "authorization_code", "redirect_uri": "https://rp.test/callback", "code": code}
    answer = signed_in.browser.post("/token", data={**form, "code_verifier": VERIFIER}, auth=("web", parties.secret))

    assert json.loads(decode(answer.json["id_token"].split(".")[1]))["nonce"] == "n" * 64

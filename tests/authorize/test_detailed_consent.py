"""What is allowed in detail (RFC 9396) is read by a person and agreed to each time, also for our own services."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from tests.authorize.conftest import CALLBACK, VERIFIER, Visitor, add_client, error_of, told_to

PAYMENT = {"type": "payment", "amount": "12,00 <b>€</b>", "to": {"name": "Bob & Co", "iban": ["FR76"]}}
KIND = {
    "texts": {"fr": "Payer en une fois", "en": "Pay once"},
    "fields": ("amount", "to"),
    "required": ("amount",),
    "labels": {"amount": {"fr": "Montant", "en": "Amount"}},
}


@pytest.fixture
def bank(app: Flask, with_settings: Callable[..., Any]) -> str:
    """Register a client of ours for payments, and return its secret."""
    with_settings(authorization_details={"payment": KIND})
    with app.app_context():
        _, secret = add_client("bank", authorization_details_types=["payment"], scope="openid")
    return str(secret)


def ask(visitor: Visitor, *details: Any, **more: Any) -> Any:
    return visitor.ask("bank", scope="openid", authorization_details=json.dumps(details or [PAYMENT]), **more)


def consent_page(visitor: Visitor, answer: Any) -> Any:
    """Return the page to which an answer leads at last."""
    assert urlsplit(answer.headers["Location"]).path.startswith("/signin/")
    page = visitor.browser.get(answer.headers["Location"])
    return visitor.browser.get(page.headers["Location"]) if page.status_code == 303 else page


def test_never_without_a_page(bank: str, signed_in: Visitor) -> None:
    assert error_of(ask(signed_in, prompt="none")) == "consent_required"
    assert ask(signed_in).headers["Location"].startswith("/signin/")


def test_the_page_says_what_exactly_and_nothing_of_it_is_markup(bank: str, visitor: Visitor, alice: str) -> None:
    answer = ask(visitor, ui_locales="fr")
    demand = visitor.interaction(answer).demand

    assert demand.consent_details[0][0] == "Payer en une fois"
    assert demand.consent_details[0][1][0] == "Montant: 12,00 <b>€</b>"
    visitor.sign_in(alice)
    page = consent_page(visitor, visitor.ask("bank", scope="openid", authorization_details=json.dumps([PAYMENT])))
    assert "Payer en une fois" in page.text
    assert "12,00 &lt;b&gt;€&lt;/b&gt;" in page.text
    assert "Bob &amp; Co" in page.text
    assert "<b>€</b>" not in page.text


def test_who_agrees_lets_the_client_do_it_once(bank: str, visitor: Visitor, alice: str) -> None:
    code = told_to(visitor.walk(ask(visitor), alice, consented=True))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    tokens = visitor.browser.post("/token", data=form, auth=("bank", bank)).json

    assert tokens["authorization_details"] == [PAYMENT]
    # RFC 9396 §7: the next payment is another one, however alike.
    assert error_of(ask(visitor, prompt="none")) == "consent_required"


def test_who_does_not_agree_does_not(bank: str, visitor: Visitor, alice: str) -> None:
    assert error_of(visitor.walk(ask(visitor), alice, outcome="cancelled")) == "access_denied"


def test_a_walk_that_never_asked_gives_no_code(bank: str, visitor: Visitor, alice: str) -> None:
    """However the walk came to its end: without the agreement there is only the question again."""
    answer = visitor.walk(ask(visitor), alice)

    assert urlsplit(answer.headers["Location"]).path.startswith("/signin/")


@pytest.mark.parametrize("details", ["{}", "[", '[{"type":"unknown"}]', '[{"type":"payment"}]'])
def test_what_is_not_registered_is_refused_before_any_page(bank: str, visitor: Visitor, details: str) -> None:
    answer = visitor.ask("bank", authorization_details=details)

    assert error_of(answer) == "invalid_authorization_details"
    assert error_of(visitor.ask(authorization_details=json.dumps([PAYMENT]))) == "invalid_authorization_details"

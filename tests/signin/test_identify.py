"""NIR and password are answered alike for everyone who may not pass (R8), and guessing is slowed, not locked (R7)."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp.accounts import directory
from idp.db import db
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, ISSUER, Clock
from tests.signin.conftest import Visitor

Visitors = Callable[[], Visitor]
UNKNOWN = "2840599123456"


@pytest.mark.parametrize(
    "typed",
    [
        "1991399999001",
        "1 99 13 99 999 001",
        "1.99.13.99.999.001",
        "1\u00a099\u00a013\u00a099\u00a0999\u00a0001",
        "1-99-13-99-999-001",
        "199139999900108",
        "１９９１３９９９９９００１",
    ],
)
def test_a_nir_may_be_written_as_people_write_it_ac_62(visitor: Visitor, typed: str) -> None:
    assert visitor.start().identify(typed).step == "send"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Écrivez votre numéro"),
        ("199139999900", "12"),
        ("19913999990011", "14"),
        ("199139999900109", "2 derniers chiffres"),
        ("19913999X9001", "seulement des chiffres"),
        ("abc", "seulement des chiffres"),
        ("0991399999001", "seulement des chiffres"),
        ("1991399999001\0", "seulement des chiffres"),
    ],
)
def test_each_fault_of_a_nir_has_its_own_words_ac_58(visitor: Visitor, typed: str, words: str) -> None:
    visitor.start().identify(typed)

    assert visitor.page.status_code in {400, 422}
    assert words in visitor.page.text or visitor.page.status_code == 400


def test_both_fields_empty_are_two_things_to_put_right(visitor: Visitor) -> None:
    visitor.start().identify("", "")

    assert "Écrivez votre numéro" in visitor.page.text
    assert "Écrivez votre mot de passe" in visitor.page.text
    assert 'aria-invalid="true"' in visitor.page.text


def what_a_stranger_sees(visitor: Visitor, typed: str) -> tuple[Any, ...]:
    """Return everything about an answer that could differ, but what differs on every page."""
    text = visitor.answer.text.replace(visitor.id, "").replace(typed, "")
    text = re.sub(r'(csrf" value="|nonce=")[\w-]*|[A-Z0-9]{3}-[A-Z0-9]{3}', r"\1", text)
    headers = {
        name: value
        for name, value in visitor.answer.headers
        if name not in {"Content-Security-Policy", "Content-Length"}
    }
    return visitor.answer.status_code, headers, text, visitor.answer.headers.getlist("Set-Cookie")


def test_unknown_wrong_disabled_and_never_activated_are_told_the_same_ac_55(
    app: Flask, new_visitor: Visitors, alice: str, clock: Clock
) -> None:
    with app.app_context():
        for nir, password in (("2991399999004", "disabled-password-1"), ("2991399999005", None)):
            account = directory.add_account(nir=nir, password=password, email="x@example.fr", mobile=None, claims={})
            if password:
                directory.set_status(account.id, "disabled", now=clock())
        db.session.commit()

    seen = [
        what_a_stranger_sees(new_visitor().start().identify(nir, password), nir)
        for nir, password in (
            (UNKNOWN, "some-password-12"), (ALICE_NIR, "some-password-12"), ("2991399999004", "disabled-password-1"),
            ("2991399999005", "some-password-12"),
        )
    ]  # fmt: skip

    for one in seen[1:]:
        assert one == seen[0]
    assert seen[0][0] == 200


def test_pauses_come_alike_for_a_known_and_an_unknown_nir_ac_57(new_visitor: Visitors) -> None:
    statuses = []
    for nir in (ALICE_NIR, UNKNOWN):
        visitor = new_visitor().start()
        statuses.append([])
        for _ in range(6):
            statuses[-1].append(visitor.identify(nir, "some-wrong-password").page.status_code)
            visitor.open("identify")

    assert statuses[0] == statuses[1]
    assert 429 in statuses[0]


def test_a_pause_also_refuses_the_right_password_and_then_ends_ac_53(visitor: Visitor, clock: Clock) -> None:
    visitor.start()
    for _ in range(5):
        visitor.identify(password="some-wrong-password").open("identify")

    paused = visitor.identify()
    assert paused.page.status_code == 429
    assert int(paused.page.headers["Retry-After"]) == 60
    clock.step(minutes=1)

    assert visitor.open("identify").identify().step == "send"


def test_a_stranger_cannot_lock_the_owner_out_of_a_known_browser_ac_54(
    visitor: Visitor, new_visitor: Visitors, clock: Clock
) -> None:
    visitor.sign_in()
    stranger = new_visitor().start()
    for _ in range(8):
        stranger.identify(password="some-wrong-password").open("identify")

    assert stranger.identify().page.status_code == 429
    assert visitor.start(prompt="login").identify().step == "send"


def test_a_device_cookie_of_another_account_gives_no_credit_ac_09(app: Flask, new_visitor: Visitors) -> None:
    with app.app_context():
        directory.add_account(
            nir="2991399999004", password="another-password-1", email="x@example.fr", mobile=None, claims={}
        )
        db.session.commit()
    thief = new_visitor().start().identify("2991399999004", "another-password-1").ask_for_code().type_code()
    thief.start(prompt="login")
    for _ in range(5):
        thief.identify(password="some-wrong-password").open("identify")

    assert thief.identify().page.status_code == 429


def test_a_password_of_a_megabyte_is_refused_before_any_work_ac_59(visitor: Visitor) -> None:
    visitor.start().identify(password="a" * 1_000_000)

    assert visitor.page.status_code == 413


def test_five_megabytes_are_refused(visitor: Visitor) -> None:
    visitor.start()

    assert visitor.browser.post(f"/signin/{visitor.id}/identify", data=b"x" * 5_000_000).status_code == 413


def test_a_field_twice_is_refused(visitor: Visitor) -> None:
    visitor.start()

    visitor.submit("identify", nir=[ALICE_NIR, UNKNOWN], password=ALICE_PASSWORD)

    assert visitor.page.status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_from_another_site_is_refused_ac_20(visitor: Visitor, headers: dict[str, str]) -> None:
    form = visitor.start().browser.forms(visitor.page.text)[0]
    fields = {name: value for name, value in form.items() if name} | {"nir": ALICE_NIR, "password": ALICE_PASSWORD}

    answer = visitor.browser.post(f"/signin/{visitor.id}/identify", data=fields, headers=headers)

    assert answer.status_code == 403
    assert not answer.headers.getlist("Set-Cookie")


@pytest.mark.parametrize("token", [None, "", "0" * 32, "é"])
def test_a_form_without_its_token_is_refused(visitor: Visitor, token: str | None) -> None:
    visitor.start()
    fields = {"nir": ALICE_NIR, "password": ALICE_PASSWORD} | ({"csrf": token} if token is not None else {})

    answer = visitor.browser.post(f"/signin/{visitor.id}/identify", data=fields, headers={"Origin": ISSUER})

    assert answer.status_code == 403
    assert visitor.open("").step == "identify"


def test_basic_authentication_and_json_open_nothing_ac_11(visitor: Visitor) -> None:
    visitor.start()

    by_header = visitor.browser.get(f"/signin/{visitor.id}/send", auth=(ALICE_NIR, ALICE_PASSWORD))
    by_json = visitor.browser.post(
        f"/signin/{visitor.id}/identify", json={"nir": ALICE_NIR, "password": ALICE_PASSWORD}
    )

    assert by_header.headers["Location"].endswith("/identify")
    assert by_json.status_code in {400, 403, 415}


def test_nothing_with_a_nir_is_in_an_address_ac_214(visitor: Visitor, told: list[dict[str, Any]]) -> None:
    visitor.sign_in()

    assert ALICE_NIR not in str(told)


def test_managers_may_fill_and_paste_ac_64(visitor: Visitor) -> None:
    text = visitor.start().page.text

    assert 'autocomplete="current-password"' in text
    assert "username" in text
    assert "onpaste" not in text
    assert "maxlength" not in text


def test_another_persons_sign_in_in_the_same_browser_wipes_no_count_ac_54(
    app: Flask, visitor: Visitor, clock: Clock
) -> None:
    with app.app_context():
        directory.add_account(
            nir="2991399999004", password="another-password-1", email="x@example.fr", mobile=None, claims={}
        )
        db.session.commit()
    visitor.sign_in()
    visitor.start(prompt="login")
    for _ in range(4):
        visitor.identify(password="some-wrong-password").open("identify")
    visitor.identify("2991399999004", "another-password-1").ask_for_code().type_code()
    clock.step(seconds=1)
    visitor.start(prompt="login")

    assert visitor.identify(password="some-wrong-password").page.status_code == 429

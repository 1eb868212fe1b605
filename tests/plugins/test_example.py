"""The example keeps its contracts where an author runs them, and works in a provider that names it."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp.accounts.directories import init_directory, open_directory
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa import levels
from idp.mfa.plugged import init_factors, open_factors
from idp.session import Session
from idp.settings import Settings
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, Browser, Clock
from tests.messages.conftest import deliver
from tests.plugins.conftest import EXAMPLE
from tests.signin.conftest import Visitor, relying_parties

__all__ = ["deliver", "relying_parties"]

SEED = b"12345678901234567890"
Visitors = Callable[[], Visitor]


@pytest.mark.once
def test_its_own_tests_pass_outside_of_this_project(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(EXAMPLE / "src"), str(EXAMPLE.parents[1])])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "t", EXAMPLE]

    ran = subprocess.run(
        command, cwd=EXAMPLE, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


@pytest.fixture
def plugged_in(
    app: Flask, example: Path, with_settings: Callable[..., Settings], tmp_path: Path
) -> Iterator[dict[str, Path]]:
    """Name every plug-in of the example in the settings, and give each what it wants."""
    from sesame_example.staff_file import hash_password

    places = {name: tmp_path / name for name in ("spool", "maildir", "staff.json", "seeds.json")}
    places["spool"].mkdir()
    staff = {"nir": ALICE_NIR, "password": hash_password(ALICE_PASSWORD), "email": "alice@example.fr"}
    about = {**staff, "mobile": "06 12 34 56 47", "name": "Alice Martin", "preferred_username": "amartin"}
    places["staff.json"].write_text(json.dumps([about]))
    places["seeds.json"].write_text(json.dumps({"amartin": base64.b64encode(SEED).decode()}))
    settings = with_settings(
        directory="staff_file",
        second_factors=("token",),
        mail_transport="maildir",
        sms={"transport": "spool"},
        plugins={
            "staff_file": {"file": str(places["staff.json"])},
            "token": {"seeds": str(places["seeds.json"])},
            "spool": {"folder": str(places["spool"])},
            "maildir": {"folder": str(places["maildir"])},
        },
    )
    sesame = app.extensions["sesame"]
    texts_before = {locale: dict(texts) for locale, texts in sesame["texts"].items()}
    init_directory(app, open_directory(settings))
    init_factors(app, open_factors(settings, frozenset()))
    yield places
    init_directory(app, None)
    sesame["second_factors"], sesame["texts"] = {}, texts_before
    levels._REGISTERED.clear()


@pytest.fixture
def new_visitor(app: Flask, new_browser: Callable[[], Browser]) -> Visitors:
    return lambda: Visitor(app, new_browser())


def shown(clock: Clock) -> str:
    """Return what the token shows now."""
    from sesame_example.token import STEP, code_of

    return str(code_of(SEED, int(clock().timestamp()) // STEP))


def session_of(visitor: Visitor) -> Session:
    from idp import session

    cookie = visitor.browser.get_cookie("__Host-sid", domain="idp.test")
    assert cookie is not None
    with visitor.app.app_context():
        found = session.find_session(cookie.value, visitor_now(visitor))
    assert found is not None
    return found


def visitor_now(_visitor: Visitor) -> Any:
    from idp import clock

    return clock.now()


def test_a_person_of_the_directory_signs_in_with_the_token(
    plugged_in: dict[str, Path], new_visitor: Visitors, clock: Clock
) -> None:
    visitor = new_visitor().start().identify()
    assert visitor.step == "send"
    assert "Utiliser le boîtier à codes" in visitor.page.text

    visitor.open("factor/token")
    assert "Lisez le code de votre boîtier" in visitor.page.text
    visitor.submit("factor/token", code=f" {shown(clock)} ")

    assert visitor.is_back
    held = session_of(visitor)
    assert held.acr == "urn:sesame:acr:mfa"
    assert held.amr == ("pwd", "otp", "hwk", "mfa")


def test_a_code_of_the_token_is_good_once(plugged_in: dict[str, Path], new_visitor: Visitors, clock: Clock) -> None:
    first, second = new_visitor().start().identify(), new_visitor().start().identify()
    code = shown(clock)
    assert first.open("factor/token").submit("factor/token", code=code).is_back

    second.open("factor/token").submit("factor/token", code=code)

    assert second.page.status_code == 422
    assert "Attendez le suivant" in second.page.text
    clock.step(minutes=2)
    assert second.submit("factor/token", code=shown(clock)).is_back


@pytest.mark.parametrize("typed", ["", "   ", "000000", "x" * 65, "é" * 64, "12345\u0666"])
def test_anything_else_stays_outside(
    plugged_in: dict[str, Path], new_visitor: Visitors, clock: Clock, typed: str
) -> None:
    visitor = new_visitor().start().identify().open("factor/token")
    assert shown(clock) != typed

    visitor.submit("factor/token", code=typed)

    assert visitor.page.status_code == (400 if len(typed) > 64 else 422)
    assert new_visitor().browser.get("/account").status_code == 303


def test_guessing_pauses_with_all_other_codes(plugged_in: dict[str, Path], new_visitor: Visitors, clock: Clock) -> None:
    visitor = new_visitor().start().identify()
    for _ in range(10):
        visitor.open("factor/token")
        if visitor.step == "token":
            visitor.submit("factor/token", code="000000")

    assert visitor.step == "pause"
    # The right one is not compared either.
    late = new_visitor().start().identify()
    assert late.step == "pause"
    assert late.open("factor/token").step == "pause"


def test_the_token_is_offered_to_those_who_have_one_only(plugged_in: dict[str, Path], new_visitor: Visitors) -> None:
    about = json.loads(plugged_in["staff.json"].read_text())
    plugged_in["staff.json"].write_text(json.dumps([{**about[0], "preferred_username": "someone"}]))

    visitor = new_visitor().start().identify()

    assert "factor/token" not in visitor.page.text
    assert visitor.open("factor/token").page.status_code == 404


@pytest.mark.parametrize("name", ["sms", "totp", "passkey", "nothing", "token%2f..", "TOKEN"])
def test_no_other_page_is_a_factors(plugged_in: dict[str, Path], new_visitor: Visitors, name: str) -> None:
    assert new_visitor().start().identify().open(f"factor/{name}").page.status_code == 404


def test_where_nothing_else_is_left_the_token_is_the_page_that_is_due(
    plugged_in: dict[str, Path], new_visitor: Visitors, with_settings: Callable[..., Settings], clock: Clock
) -> None:
    with_settings(policy={"methods": ("token",)})

    visitor = new_visitor().start().identify()

    assert visitor.step == "token"
    assert visitor.submit("factor/token", code=shown(clock)).is_back


def test_a_service_that_demands_more_than_two_steps_is_content_with_the_token(
    plugged_in: dict[str, Path], new_visitor: Visitors, clock: Clock
) -> None:
    demand = json.dumps({"id_token": {"acr": {"essential": True, "values": ["urn:sesame:acr:mfa"]}}})
    visitor = new_visitor().start(claims=demand).identify()

    assert visitor.open("factor/token").submit("factor/token", code=shown(clock)).is_back
    assert "code" in visitor.told


def test_a_form_of_another_page_is_no_try(plugged_in: dict[str, Path], new_visitor: Visitors, clock: Clock) -> None:
    visitor = new_visitor().start().identify().open("factor/token")

    forged = visitor.browser.post(f"/signin/{visitor.id}/factor/token", data={"code": shown(clock), "csrf": "x"})
    twice = visitor.browser.post(f"/signin/{visitor.id}/factor/token", data={"code": ["1", "2"], "csrf": "x"})

    assert (forged.status_code, twice.status_code) == (403, 403)
    assert visitor.submit("factor/token", code=shown(clock)).is_back, "and no try was lost"


def test_a_factor_that_does_not_answer_counts_for_nobody(
    app: Flask, plugged_in: dict[str, Path], new_visitor: Visitors, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from idp.mfa.second_factor import FactorAway

    token = app.extensions["sesame"]["second_factors"]["token"]
    visitor = new_visitor().start().identify().open("factor/token")
    page = visitor.page

    class Away(type(token)):  # type: ignore[misc]
        def check(self, *_args: Any, **_more: Any) -> bool:
            raise FactorAway("no answer")

    away = Away.__new__(Away)
    away.__dict__.update(token.__dict__)
    app.extensions["sesame"]["second_factors"]["token"] = away
    for _ in range(12):
        visitor.page = page
        assert visitor.submit("factor/token", code="000000").page.status_code == 503

    app.extensions["sesame"]["second_factors"]["token"] = token
    visitor.page = page
    assert visitor.submit("factor/token", code=shown(clock)).is_back


def test_codes_leave_by_the_transports_that_the_settings_name(
    app: Flask,
    plugged_in: dict[str, Path],
    new_visitor: Visitors,
    clock: Clock,
    deliver: Callable[[], None],
) -> None:
    by_mail, by_sms = new_visitor().start().identify().ask_for_code("email"), new_visitor().start().identify()
    mailed = by_mail.code
    clock.step(minutes=1)
    by_sms.ask_for_code("sms")
    texted = by_sms.code

    deliver()

    (mail,) = (plugged_in["maildir"] / "new").iterdir()
    assert mailed in mail.read_text()
    (sms,) = plugged_in["spool"].iterdir()
    assert texted in sms.read_text()
    with app.app_context():
        assert {row.relay for row in db.session.query(Outbox)} == {"maildir", "spool"}

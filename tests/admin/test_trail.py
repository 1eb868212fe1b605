"""The audit trail in the console: auditors find what happened, others are refused, nobody's number comes back."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from idp import audit
from idp import clock as idp_clock
from idp.admin import data_events
from idp.audit.checkpoints import find_head, sign_cut
from idp.audit.sealing import seal_all
from idp.db import db
from tests.admin.conftest import ROLES
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_desk_api import events_of
from tests.admin.test_support import SECRETS
from tests.admin.test_support import console as console
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ISSUER, Browser

Console = Callable[[str], Browser]
TRAIL = "/admin/trail"


def ask(browser: Browser, **fields: Any) -> Any:
    """Send the form, with this session's token."""
    csrf = re.search(r'name="csrf" value="([^"]*)"', browser.get("/admin/tokens").text)
    assert csrf
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}
    return browser.post(TRAIL, data={"csrf": csrf[1], **fields}, headers=headers)


def happen(app: Flask, count: int, **about: Any) -> None:
    with app.app_context():
        for number in range(count):
            audit.record("sign-in", number=number, **about)
        audit.flush()


def numbers(page: Any) -> list[int]:
    return [int(one) for one in re.findall(r"<code>number</code></dt><dd[^>]*>(\d+)<", page.text)]


@pytest.mark.parametrize("who", [ALICE_NIR, "1 99 13 99 999 001", ALICE_EMAIL, "06 12 34 56 47"])
def test_an_auditor_finds_what_happened_to_a_person_and_that_is_an_event(
    app: Flask, console: Console, alice: str, who: str
) -> None:
    """AC-199, AC-214: the address has the account's id alone."""
    happen(app, 1, account_id=alice, client_id="shop")
    happen(app, 1, account_id="somebody-else")
    browser = console("otto")

    asked = ask(browser, who=who, event="sign-in")
    page = browser.get(asked.location)

    assert asked.location == f"/admin/trail/events?account_id={alice}&event=sign-in"
    assert numbers(page) == [0]
    assert "shop" in page.text
    (named,), (read,) = events_of(app, "audit-person"), events_of(app, "audit-read")
    assert (named.administrator, named.account_id, named.facts["surface"]) == ("otto", alice, "console")
    assert (read.administrator, read.account_id, read.facts["by"]) == ("otto", alice, "account_id event")


def test_events_are_shown_page_by_page_with_the_same_question(app: Flask, console: Console) -> None:
    happen(app, 30, client_id="shop", administrator="eve")
    browser = console("otto")

    first = browser.get(ask(browser, client_id="shop", administrator="eve", since="2020-01-01T00:00").location)
    further = re.search(r'id="further" href="([^"]*)"', first.text)
    assert further
    second = browser.get(further[1].replace("&amp;", "&"))

    assert numbers(first) + numbers(second) == list(reversed(range(30)))
    assert "since=2020" in further[1]
    assert 'id="further"' not in second.text


def test_moments_are_those_of_the_wall_clock(app: Flask, console: Console) -> None:
    """A form's moment has no zone: it is the one of the provider's time zone."""
    happen(app, 1)
    browser = console("otto")
    local = idp_clock.now().astimezone(ZoneInfo("Europe/Paris"))
    before, after = (f"{local + timedelta(minutes=by):%Y-%m-%dT%H:%M}" for by in (-5, 5))

    found = browser.get(f"{TRAIL}/events?event=sign-in&since={before}&until={after}")
    later = browser.get(f"{TRAIL}/events?event=sign-in&since={after}")

    assert numbers(found) == [0]
    assert numbers(later) == []
    assert "Aucun événement ne correspond." in later.text


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"who": "alice"}, "who"),
        ({"who": "2991399999002"}, "who"),
        ({"account_id": ALICE_NIR}, "account_id"),
        ({"client_id": ALICE_MOBILE.replace("+33", "0")}, "client_id"),
        ({"administrator": "x' OR 1=1 --"}, "administrator"),
        ({"event": ALICE_NIR}, "event"),
        ({"reference": "UUU-000"}, "reference"),
        ({"since": "yesterday"}, "since"),
        ({"until": "9999-12-31T23:59"}, "until"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_said_beside_its_field_and_never_said_back(
    app: Flask, console: Console, alice: str, fields: dict[str, str], wrong: str
) -> None:
    """AC-183, AC-214: a number in the wrong field comes into no address, page or event."""
    answer = ask(console("otto"), **fields)

    assert answer.status_code in {404, 422}
    assert f'id="{wrong}-error"' in answer.text
    whole = answer.text + str(answer.headers)
    assert not [value for value in (*SECRETS, *fields.values()) if value in whole]
    assert not events_of(app, "audit-read")


def test_a_bad_address_is_no_search_ac_183(app: Flask, console: Console) -> None:
    browser = console("otto")

    answers = [browser.get(f"{TRAIL}/events?{bad}") for bad in ("after=0", "after=1;drop", "event=%25", "since=x")]

    assert [one.status_code for one in answers] == [422] * 4
    assert not events_of(app, "audit-read")


def test_a_field_that_comes_twice_is_refused(app: Flask, console: Console, alice: str) -> None:
    """Over-posting (security.md J): two values are a trick, and nobody is looked up."""
    assert ask(console("otto"), who=[ALICE_NIR, ALICE_EMAIL]).status_code == 400
    assert not events_of(app, "audit-person")


def test_nobody_is_asked_for_without_end_on_any_surface(
    app: Flask, console: Console, call: Any, alice: str, with_settings: Any
) -> None:
    """Whoever could would find out which numbers have an account: one count for console and REST."""
    with_settings(support={"views_per_hour": 2})
    otto = console("otto")

    answers = [
        ask(otto, who="2991399999002"), call("otto", "POST", "/audit/person", {"who": ALICE_NIR}),
        ask(otto, who=ALICE_NIR), call("otto", "POST", "/audit/person", {"who": ALICE_NIR}),
    ]  # fmt: skip

    assert [one.status_code for one in answers] == [404, 200, 429, 429]
    assert 'id="who-error"' in answers[2].text
    assert [one.outcome for one in events_of(app, "audit-person")] == ["not-found", "found", "throttled", "throttled"]


@pytest.mark.parametrize("name", [name for name in ROLES if name != "otto"])
def test_only_auditors_see_the_trail(app: Flask, console: Console, alice: str, name: str) -> None:
    """AC-195: no other role sees the page, its events or whose number is whose, nor a way there."""
    browser = console(name)

    answers = [browser.get(TRAIL), browser.get(f"{TRAIL}/events?account_id={alice}"), ask(browser, who=ALICE_NIR)]

    assert [one.status_code for one in answers] == [403, 403, 403]
    assert TRAIL not in browser.get("/admin").text
    assert not events_of(app, "audit-read")
    assert not events_of(app, "audit-person")


def test_the_state_of_the_chain_is_told(app: Flask, console: Console) -> None:
    happen(app, 3)
    with app.app_context():
        seal_all(idp_clock.now())
        head = find_head()
        assert head is not None
        sign_cut(2, b"x" * 32, idp_clock.now())
        db.session.commit()
        data_events.database_restored(
            administrator="cli:x", position=3, last_event_at="", sessions=0, refresh_families=0
        )
        audit.events.audit_verified(outcome="found", events=3, findings=4)
        audit.flush()
        position = head.position

    text = console("otto").get(TRAIL).text

    told = re.findall(r"<dt>([^<]*)</dt><dd[^>]*>(.*?)</dd>", text, re.S)
    facts = {name: re.sub(r"<[^>]*>|\s+", " ", value).strip() for name, value in told}
    assert facts["Événements enchaînés"] == str(position)
    assert facts["Dernier point signé"].startswith(f"position {position},")
    assert facts["Oublié jusqu’à"].startswith("position 2,")
    assert facts["Sauvegardes restaurées après"].startswith("position 3,")
    assert "4 anomalies" in facts["Dernière vérification"]

"""A full hashing lane sends people to a page that brings them back; nothing typed is lost, counted or shown."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp.accounts import passwords
from idp.accounts.hashing_lane import FairLane
from idp.settings import Settings
from idp.signin.interaction import INTERACTIONS
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, Browser, Clock
from tests.node import get, node, until
from tests.signin.conftest import Visitor
from tests.signin.test_forgot import NEW_PASSWORD, choose, prove
from tests.signin.test_stop import last_key, type_key
from tests.signin.test_stop import owner as owner
from tests.stranger_at_node import Stranger, add_client


@pytest.fixture
def full_lane(app: Flask, with_settings: Callable[..., Settings]) -> Callable[[], object]:
    """Return what fills the only lane and its queue, as a context."""
    with_settings(passwords={"lanes": 1, "queue": 1, "wait": 0.01})
    with app.app_context():
        lane = passwords.current_lane()
    return lambda: lane.place("somebody else", within=0)


def test_who_is_sent_away_comes_back_to_a_form_that_knows_the_number_ac_210(
    visitor: Visitor, full_lane: Callable[[], object], told: list[dict[str, object]]
) -> None:
    form = visitor.start().page

    with full_lane():  # type: ignore[attr-defined]
        away = visitor.browser.submit(form.text, "/identify", nir=ALICE_NIR, password=ALICE_PASSWORD)
    back = visitor.browser.get(away.headers["Refresh"].partition("url=")[2])
    inside = visitor.browser.submit(back.text, "/identify", nir=ALICE_NIR, password=ALICE_PASSWORD)

    assert away.status_code == 503
    assert 2 <= int(away.headers["Retry-After"]) <= 6
    assert away.headers["Refresh"] == f"{away.headers['Retry-After']};url=/signin/{visitor.id}/identify"
    assert ALICE_NIR not in away.text
    assert ALICE_PASSWORD not in away.text + back.text
    assert back.status_code == 200
    assert f'value="{ALICE_NIR}"' in back.text
    assert inside.status_code == 303, "the try that was not looked at was not counted either"


def test_what_is_kept_meanwhile_is_sealed_and_ends_with_the_wait(
    visitor: Visitor, full_lane: Callable[[], object], app: Flask
) -> None:
    form = visitor.start().page
    with full_lane():  # type: ignore[attr-defined]
        visitor.browser.submit(form.text, "/identify", nir=ALICE_NIR, password=ALICE_PASSWORD)

    with app.app_context():
        kept = INTERACTIONS.encode(app.extensions["sesame"]["state"].get(INTERACTIONS, visitor.id))
    back = visitor.browser.get(f"/signin/{visitor.id}/identify")
    visitor.browser.submit(back.text, "/identify", nir=ALICE_NIR, password="another-wrong-one")

    assert '"waits":1' in kept
    assert ALICE_NIR not in kept
    assert ALICE_PASSWORD not in kept
    assert ALICE_NIR not in visitor.browser.get(f"/signin/{visitor.id}/identify").text


def test_the_page_stays_while_nobody_else_could_be_taken_either(
    visitor: Visitor, full_lane: Callable[[], object], app: Flask
) -> None:
    form = visitor.start().page
    with app.app_context():
        lane = passwords.current_lane()

    with full_lane():  # type: ignore[attr-defined]
        visitor.browser.submit(form.text, "/identify", nir=ALICE_NIR, password=ALICE_PASSWORD)
        queue = [threading.Thread(target=_wait_in, args=(lane, f"address {n}"), daemon=True) for n in range(2)]
        for thread in queue:
            thread.start()
        until(lambda: lane._count() == 2, "two others that come back wait before")
        still = visitor.browser.get(f"/signin/{visitor.id}/identify")
    for thread in queue:
        thread.join()

    assert still.status_code == 503
    assert "Refresh" in still.headers


def _wait_in(lane: FairLane, whose: str) -> None:
    with lane.place(whose, within=60, patient=True):
        pass


# -- other forms with a password -----------------------------------------------------------------------------------


def _resumes(away: Any, to: str) -> None:
    assert away.status_code == 503
    assert 4 <= int(away.headers["Retry-After"]) <= 12
    assert away.headers["Refresh"] == f"{away.headers['Retry-After']};url={to}"
    assert "Nous ne gardons jamais les mots de passe" in away.text
    assert NEW_PASSWORD not in away.text


def test_a_forgotten_password_can_be_chosen_again_after_the_wait(
    visitor: Visitor, full_lane: Callable[[], object]
) -> None:
    prove(visitor)
    with full_lane():  # type: ignore[attr-defined]
        choose(visitor)
    _resumes(visitor.page, f"/signin/{visitor.id}/forgot/password")

    visitor.open("forgot/password")
    choose(visitor)

    assert visitor.step == "identify", "the code was used up once, and counted for both tries"


def test_the_password_after_a_stop_can_be_chosen_again_after_the_wait(
    app: Flask, visitor: Visitor, owner: Browser, clock: Clock, full_lane: Callable[[], object]
) -> None:
    visitor.start().identify().ask_for_code()
    type_key(owner, last_key(app))
    clock.step(minutes=2)
    visitor.start().identify().ask_for_code().type_code()
    with full_lane():  # type: ignore[attr-defined]
        visitor.submit("renew", new_password=NEW_PASSWORD)
    _resumes(visitor.page, f"/signin/{visitor.id}/renew")

    assert visitor.open("renew").submit("renew", new_password=NEW_PASSWORD).is_back


# -- a real server -------------------------------------------------------------------------------------------------


def test_a_burst_is_shed_fairly_and_nothing_else_waits_for_it_rc_33(tmp_path: Path) -> None:
    """Forty people of one address and one of another, at once, at a server that hashes one password at a time."""
    changes = {
        "IDP_PASSWORDS__LANES": "1", "IDP_PASSWORDS__MEMORY_KIB": "32768", "IDP_PASSWORDS__TIME_COST": "6",
        "IDP_TRUSTED_HOPS": "1", "IDP_THROTTLE__ADDRESS_FAILURES": "1000",
        "IDP_THROTTLE__SAME_PASSWORD_FAILURES": "1000",
    }  # fmt: skip
    with node(tmp_path, **changes) as started:
        client = add_client(started)
        started.serve("--threads", "8")
        crowd = [Stranger(started, client, "203.0.113.1", number) for number in range(40)]
        other = Stranger(started, client, "198.51.100.7", 99)
        begun = threading.Barrier(42)
        with ThreadPoolExecutor(42) as pool:
            tries = [pool.submit(one.tries_at, begun) for one in (*crowd, other)]
            begun.wait()
            beside = [get(f"{started.url}/jwks.json")[0] for _ in range(10)]
            answers = [one.result() for one in tries]
        afterwards = [one.tries() for one in crowd[:2]]

    shed = [answer for answer in answers if answer[0] == 503]
    assert {answer[0] for answer in answers} == {200, 503}, "looked at, or sent away; nothing breaks"
    assert all("refresh" in headers for _status, _text, headers in shed)
    # One hash under way, three that wait: more than a few were not looked at, and not none.
    assert len(shed) >= 20
    assert answers[-1][0] == 200, "the other address is not crowded out"
    assert beside == [200] * 10
    assert [status for status, _text, _headers in afterwards] == [200, 200]

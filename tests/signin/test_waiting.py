"""A full hashing lane sends people to a page that brings them back; nothing typed is lost, counted or shown."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

import pytest
from flask import Flask

from idp.accounts import passwords
from idp.accounts.hashing_lane import FairLane
from idp.settings import Settings
from idp.signin.interaction import INTERACTIONS
from tests.conftest import ALICE_NIR, ALICE_PASSWORD
from tests.node import Node, get, node, until
from tests.signin.conftest import Visitor

Answer = tuple[int, str, dict[str, str]]


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


# -- a real server -------------------------------------------------------------------------------------------------

PREPARE = """
from idp import clock, create_app
from idp.db import db
from idp.oidc import registration
asked = {"name": "Mes aides", "kind": "website", "redirect_uris": ["http://localhost:9/callback"], "scope": "openid"}
with create_app().app_context():
    print(registration.add_client(registration.metadata_from_form(asked), now=clock.now())[0].client_id)
    db.session.commit()
"""


def test_a_burst_is_shed_fairly_and_nothing_else_waits_for_it_rc_33(tmp_path: Path) -> None:
    """Forty people of one address and one of another, at once, at a server that hashes one password at a time."""
    changes = {
        "IDP_PASSWORDS__LANES": "1", "IDP_PASSWORDS__MEMORY_KIB": "32768", "IDP_PASSWORDS__TIME_COST": "6",
        "IDP_TRUSTED_HOPS": "1", "IDP_THROTTLE__ADDRESS_FAILURES": "1000",
        "IDP_THROTTLE__SAME_PASSWORD_FAILURES": "1000",
    }  # fmt: skip
    with node(tmp_path, **changes) as started:
        prepared = subprocess.run(
            [sys.executable, "-c", PREPARE], env=started.environ, check=True, stdout=subprocess.PIPE
        )
        client = prepared.stdout.decode().strip()
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


class Stranger:
    """A browser at the form, behind the proxy that names its address."""

    def __init__(self, at: Node, client: str, address: str, number: int) -> None:
        self.url, self.address = at.url, address
        # Nobody's: month 13. Each is another, so that no counter of wrong passwords says the same as the lane.
        self.typed = {"nir": f"19913{number:08d}", "password": f"wrong password {number}"}
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()), Stay)
        query = urlencode({"client_id": client, "redirect_uri": "http://localhost:9/callback", "response_type": "code",
                           "scope": "openid", "code_challenge": "c" * 43, "code_challenge_method": "S256"})  # fmt: skip
        form = self._open(f"{self.url}/authorize?{query}")
        while form[0] in {302, 303}:
            form = self._open(form[2]["location"])
        self.action = re.search(r'action="(/signin/[^"]*/identify)"', form[1])[1]  # type: ignore[index]
        self.csrf = re.search(r'name="csrf" value="([^"]*)"', form[1])[1]  # type: ignore[index]

    def tries_at(self, begun: threading.Barrier) -> Answer:
        begun.wait()
        return self.tries()

    def tries(self) -> Answer:
        body = urlencode({"csrf": self.csrf, **self.typed})
        return self._open(self.url + self.action, body.encode())

    def _open(self, url: str, body: bytes | None = None) -> Answer:
        url = url if url.startswith("http") else self.url + url
        headers = {"X-Forwarded-For": self.address, "Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        try:
            with self.opener.open(Request(url, body, headers), timeout=60) as answer:
                return answer.status, answer.read().decode(), _fields(answer.headers)
        except HTTPError as fault:
            return fault.code, fault.read().decode(), _fields(fault.headers)


def _fields(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None

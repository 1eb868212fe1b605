"""A visitor over HTTP who does what people do: reads the page, fills in its form, tries again when told to.

What went wrong on the way is kept in ``seen``; a page without words for people, or a 500, fails the drill at once.
"""

import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from tests.conformance.visitor import Form, forms_of
from tests.drills.site import CALLBACK, PASSWORD, Person, Site
from tests.e2e.demonstration import code_in

VERIFIER = "v" * 64
# How long a code may be under way, and a sign-in be tried again.
CODE_WITHIN = 30.0
# A person would wait as long as the page says; a drill looks more often.
LOOK_AGAIN = 0.5
_MOST_REDIRECTS = 10
_HEADING = re.compile(r"<h1>(.*?)</h1>", re.S)
_WALK = re.compile(r"/signin/([^/?]+)/")
_BUTTON = re.compile(r'<a class="button primary" href="([^"]*)"')


@dataclass(frozen=True)
class Refusal:
    """A page that stopped a visitor: its status (502: no node answered), heading, and what it said of when."""

    status: int
    heading: str
    retry_after: str | None
    took: float
    at: float = field(default_factory=time.monotonic)


class Visitor:
    """One person at one browser."""

    nonce = "n"

    def __init__(self, site: Site, person: Person, channel: str = "email", client_id: str = "web") -> None:
        self.site, self.person, self.channel, self.client_id = site, person, channel, client_id
        self.browser = requests.Session()
        self.browser.trust_env = False
        self.seen: list[Refusal] = []
        self.typed: list[str] = []
        # The sign-ins that this browser was in, by the id in their address.
        self.walks: set[str] = set()
        self.answer: requests.Response | None = None
        self.path = ""
        self._messages_before = 0

    # -- one step at a time

    def start(self) -> "Visitor":
        """Come from the relying party."""
        query = {
            "client_id": self.client_id, "redirect_uri": CALLBACK, "response_type": "code", "state": "st",
            "nonce": self.nonce, "scope": self.scope, "code_challenge_method": "S256",
            "code_challenge": create_s256_code_challenge(VERIFIER),
        }  # fmt: skip
        return self.open(f"/authorize?{urlencode(query)}")

    @property
    def scope(self) -> str:
        """Return what the relying party asks for."""
        return "openid profile email offline_access" if self.client_id == "web" else "openid"

    def open(self, path: str) -> "Visitor":
        """Open an address of ours."""
        return self._go("GET", path)

    def submit(self, step: str, **fields: str) -> "Visitor":
        """Send the page's form of a step."""
        form = self.forms[step]
        return self._go("POST", form.action, data={**form.fields, **fields})

    def identify(self, password: str = PASSWORD) -> "Visitor":
        return self.submit("identify", nir=self.person.nir, password=password)

    def ask_for_code(self) -> "Visitor":
        self._messages_before = len(self.messages)
        return self.submit("send", channel=self.channel)

    def type_code(self, code: str | None = None) -> "Visitor":
        self.typed.append(code or self.code)
        return self.submit("code", code=self.typed[-1])

    @property
    def forms(self) -> dict[str, Form]:
        """Return the forms of the page by the last word of their address."""
        assert self.answer is not None
        return {form.action.rsplit("/", 1)[-1]: form for form in forms_of(self.answer.text)}

    @property
    def status(self) -> int:
        """Return the status of the last answer; 502 when there was none."""
        return 502 if self.answer is None else self.answer.status_code

    @property
    def heading(self) -> str:
        """Return the page's own words."""
        found = _HEADING.search(self.answer.text) if self.answer is not None else None
        return found[1].strip() if found else ""

    @property
    def refusal(self) -> Refusal | None:
        """Return what stopped the visitor at the last page, if anything did."""
        return self.seen[-1] if self.seen and self.status >= 400 else None

    @property
    def messages(self) -> list[str]:
        """Return the texts that this person has been sent, the oldest first."""
        if self.channel == "email":
            relay = self.site.relay
            return [text for to, text in zip(tuple(relay.recipients), relay.texts, strict=False)
                    if self.person.email in to]  # fmt: skip
        return [sms.octets.decode("latin-1") for sms in tuple(self.site.smsc.texts)
                if sms.to == self.person.mobile.removeprefix("+")]  # fmt: skip

    @property
    def digits(self) -> set[str]:
        """Return the different codes that this person was sent."""
        return {code_in({"text": message}) for message in self.messages}

    def note_lost_exchange(self) -> None:
        """Keep that the service got no tokens for the code that it was given."""
        self.seen.append(Refusal(502, "", None, 0.0))

    @property
    def code(self) -> str:
        """Wait for the message that was asked for last, and return its digits."""
        ends_at = time.monotonic() + CODE_WITHIN
        while len(self.messages) <= self._messages_before:
            assert time.monotonic() < ends_at, f"no code came to {self.person}\n{self.site.logs()[-3000:]}"
            time.sleep(0.1)
        return code_in({"text": self.messages[-1]})

    @property
    def grant(self) -> str | None:
        """Return the authorization code with which the relying party is reached again."""
        location = self.answer.headers.get("Location", "") if self.answer is not None else ""
        if not location.startswith(CALLBACK):
            return None
        told = parse_qs(urlsplit(location).query)
        assert "code" in told, told
        return told["code"][0]

    # -- all of it

    def sign_in(self, within: float = 45.0) -> str:
        """Walk until the relying party is reached, trying again as the pages say; return the authorization code."""
        ends_at = time.monotonic() + within
        self.start()
        while (grant := self.grant) is None:
            assert time.monotonic() < ends_at, f"{self.person} cannot go on: {self.seen[-5:]}, at {self.path}"
            self.take_next_step()
        return grant

    def take_next_step(self) -> None:
        if self.status >= 400:
            time.sleep(LOOK_AGAIN)
            self.try_again()
        elif "code" in self.forms and self._has_code_under_way:
            self.type_code()
        elif "code" in self.forms:
            # Whoever sent it is gone, and the message may be too: the button below the field.
            self._messages_before = len(self.messages)
            self.submit("resend")
        elif "send" in self.forms:
            self.ask_for_code()
        elif "identify" in self.forms:
            self.identify()
        else:
            # The page of a full house, which asks again by itself.
            time.sleep(LOOK_AGAIN)
            self.open(self.path)

    def try_again(self) -> "Visitor":
        """Do what the page says: its button, or the same address once more."""
        assert self.refusal is not None
        button = _BUTTON.search(self.answer.text) if self.answer is not None else None
        if button is not None and button[1]:
            return self.open(button[1].replace("&amp;", "&"))
        return self.open(self.path)

    @property
    def _has_code_under_way(self) -> bool:
        """Tell whether a message comes that was not typed in yet."""
        ends_at = time.monotonic() + CODE_WITHIN
        while len(self.messages) <= self._messages_before:
            if time.monotonic() > ends_at:
                return False
            time.sleep(0.1)
        return True

    def _go(self, method: str, path: str, **options: Any) -> "Visitor":
        headers = {"Origin": self.site.issuer, "Sec-Fetch-Site": "same-origin"} if method == "POST" else {}
        for _ in range(_MOST_REDIRECTS):
            path = path.removeprefix(self.site.issuer)
            if (walk := _WALK.match(path)) is not None:
                self.walks.add(walk[1])
            started = time.monotonic()
            self.answer = self.site.front.send(self.browser, method, path, headers=headers, **options)
            if method == "GET":
                # What « reload » opens: a form that got no answer is asked for anew.
                self.path = path
            took = time.monotonic() - started
            if self.answer is None or self.answer.status_code >= 400:
                self._note(took)
                return self
            location = self.answer.headers.get("Location", "")
            if self.answer.status_code not in {302, 303} or not location.startswith(("/", self.site.issuer)):
                return self
            method, path, options, headers = "GET", location, {}, {}
        raise AssertionError(f"redirects without end, last to {path}")

    def _note(self, took: float) -> None:
        if self.answer is None:
            self.seen.append(Refusal(502, "", None, took))
            return
        found = _HEADING.search(self.answer.text)
        self.seen.append(
            Refusal(self.answer.status_code, found[1].strip() if found else "",
                    self.answer.headers.get("Retry-After"), took)
        )  # fmt: skip
        assert self.answer.status_code != 500, f"{self.path}: {self.answer.text[:500]}\n{self.site.logs()[-3000:]}"


class RelyingParty:
    """The service: exchanges codes, refreshes, asks UserInfo; every answer as it comes."""

    def __init__(self, site: Site, client_id: str = "web") -> None:
        self.site = site
        self.auth = (client_id, site.secrets[client_id])
        self.session = requests.Session()
        self.session.trust_env = False

    def exchange(self, code: str) -> requests.Response | None:
        return self._token(grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER)

    def refresh(self, token: str) -> requests.Response | None:
        return self._token(grant_type="refresh_token", refresh_token=token)

    def userinfo(self, token: str) -> requests.Response | None:
        headers = {"Authorization": f"Bearer {token}"}
        return self.site.front.send(self.session, "GET", "/userinfo", headers=headers)

    def revoke(self, token: str) -> requests.Response | None:
        return self.site.front.send(self.session, "POST", "/revoke", data={"token": token}, auth=self.auth)

    def _token(self, **form: str) -> requests.Response | None:
        return self.site.front.send(self.session, "POST", "/token", data=form, auth=self.auth)

"""One visit of the soak: a person at a browser, and the service that takes them in afterwards; all of it checked."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import KeySet

from bench import people
from bench.soak_ledger import Wanted
from bench.soak_site import HOME, SoakSite
from tests.drills.site import Person
from tests.drills.visitor import RelyingParty, Visitor

# People look at a page before they do something; seconds.
_LOOK = (0.3, 2.0)
_LEVELS = {"email": "urn:sesame:acr:2sv", "sms": "urn:sesame:acr:mfa"}
_ALGORITHMS = ["RS256", "ES256"]


@dataclass
class Visit:
    """What became of a visit, for the books."""

    kind: str
    number: int
    channel: str
    account_id: str
    began_late: float
    finished: bool = False
    sub: str = ""
    grants: int = 0
    refreshes: int = 0
    signed_out: bool = False
    waited: int = 0
    took: float = 0.0
    fault: str = ""


class Guest(Visitor):
    """A visitor who takes their time, and whose messages are in the ledger."""

    site: SoakSite

    def __init__(self, site: SoakSite, person: Person, channel: str, chance: random.Random) -> None:
        super().__init__(site, person, channel)
        self.chance, self.waited = chance, 0
        self.nonce = f"{chance.getrandbits(128):032x}"
        # Half are at a site and sign out in the end, half in an app that goes on without them.
        self.signs_out = chance.random() < 0.5

    @property
    def scope(self) -> str:
        """Return what the site or the app asks for."""
        return "openid profile email" if self.signs_out else "openid profile email offline_access"

    @property
    def address(self) -> str:
        """Return where this person's codes go."""
        return self.person.email if self.channel == "email" else self.person.mobile

    @property
    def messages(self) -> list[str]:
        """Return the texts of the codes that came."""
        return [message.text for message in self.site.ledger.codes_of(self.address)]

    @property
    def code(self) -> str:
        """Wait for the message that was asked for last, and return its digits."""
        _ = super().code
        return self.site.ledger.codes_of(self.address)[-1].digits

    def look(self) -> None:
        """Read a page."""
        time.sleep(self.chance.uniform(*_LOOK))

    def come(self) -> None:
        """Come from the service to the first page."""
        self.start()
        self.expect("identify" in self.forms, "no form for NIR and password")
        self.look()

    def type_password(self, password: str = people.PASSWORD) -> None:
        """Send NIR and password; wait as long as the page for a full house says, and type them again."""
        self.identify(password)
        while self.status == 503 and self.answer is not None and "Refresh" in self.answer.headers:
            self.waited += 1
            self.expect(self.waited < 8, "waited eight times for a password check")
            time.sleep(float(self.answer.headers["Retry-After"]))
            self.open(self.path)
            if "identify" in self.forms:
                self.identify(password)
        self.look()

    def ask(self, again: bool = False) -> None:
        """Have a code sent."""
        self._messages_before, asked_at = len(self.messages), time.time()
        if again:
            self.submit("resend")
        else:
            self.expect("send" in self.forms, "the password did not lead to the second step")
            self.submit("send", channel=self.channel)
        self.expect(self.status == 200 and "code" in self.forms, "no code was sent")
        self.site.ledger.want(Wanted("code", self.address, asked_at))

    def type_right_code(self) -> None:
        """Read the message and type what it says."""
        digits = self.code
        self.look()
        self.type_code(digits)

    def expect(self, holds: bool, what: str) -> None:
        """Raise `Unexpected` unless it is so."""
        if not holds:
            raise Unexpected(f"{what}: {self.status} {self.path} « {self.heading} »")


class Unexpected(Exception):
    """A page or an answer was not what it has to be."""


class Service(RelyingParty):
    """The service: verifies what it is given, and uses it."""

    def __init__(self, site: SoakSite, keys: KeySet) -> None:
        super().__init__(site)
        self.keys = keys

    def take_in(self, guest: Guest, visit: Visit) -> dict[str, Any]:
        """Exchange the code of the page, verify all that comes, ask UserInfo; return the tokens."""
        grant = guest.grant
        guest.expect(grant is not None, "no authorization code")
        tokens = self._json(self.exchange(str(grant)), "code exchange")
        visit.grants += 1
        claims = self.verify(tokens["id_token"], guest)
        told = self._json(self.userinfo(tokens["access_token"]), "userinfo")
        if (told["sub"], told["email"]) != (claims["sub"], guest.person.email):
            raise Unexpected("userinfo tells of somebody else")
        visit.sub = claims["sub"]
        return tokens

    def verify(self, id_token: str, guest: Guest, *, is_refreshed: bool = False) -> dict[str, Any]:
        """Check signature and claims of an ID token with another library than the one that signed it."""
        claims: dict[str, Any] = jwt.decode(id_token, self.keys, algorithms=_ALGORITHMS).claims
        wanted = {"iss": self.site.issuer, "aud": "web", "acr": _LEVELS[guest.channel]}
        if not is_refreshed:
            wanted["nonce"] = guest.nonce
        wrong = [name for name, value in wanted.items() if claims.get(name) not in (value, [value])]
        if wrong or claims["exp"] <= time.time():
            raise Unexpected(f"an ID token with another {wrong or 'exp'}")
        return claims

    def go_on(self, tokens: dict[str, Any], guest: Guest, visit: Visit) -> dict[str, Any]:
        """Refresh some times, as an app does whose person is there; ask of each access token whether it lives."""
        for _ in range(guest.chance.choice((1, 2, 3))):
            guest.look()
            fresh = self._json(self.refresh(tokens["refresh_token"]), "refresh")
            if fresh["refresh_token"] == tokens["refresh_token"]:
                raise Unexpected("a refresh token that did not rotate")
            if self.verify(fresh.get("id_token", tokens["id_token"]), guest, is_refreshed=True)["sub"] != visit.sub:
                raise Unexpected("a refresh for somebody else")
            tokens, visit.refreshes = {**tokens, **fresh}, visit.refreshes + 1
            self._introspect(tokens["access_token"], is_active=True)
        return tokens

    def sign_out(self, tokens: dict[str, Any], guest: Guest, visit: Visit) -> None:
        """Sign out of everything, and see that nothing works any more."""
        query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": HOME}
        guest.open(f"/logout?{urlencode(query)}")
        guest.expect(guest.answer is not None and guest.answer.headers.get("Location") == HOME, "no way back")
        visit.signed_out = True
        for dead in ("access_token", "refresh_token"):
            self._introspect(tokens[dead], is_active=False)

    def come_back(self, guest: Guest, visit: Visit) -> None:
        """Ask once more for somebody who is still signed in: answered at once, without a page."""
        guest.start()
        guest.expect(guest.grant is not None, "somebody who is signed in was shown a page")
        self.take_in(guest, visit)

    def _introspect(self, token: str, *, is_active: bool) -> None:
        answer = self.site.front.send(self.session, "POST", "/introspect", data={"token": token}, auth=self.auth)
        if self._json(answer, "introspection")["active"] is not is_active:
            raise Unexpected(f"a token that is {'dead' if is_active else 'still alive'}")

    @staticmethod
    def _json(answer: Any, what: str) -> dict[str, Any]:
        if answer is None or answer.status_code != 200:
            raise Unexpected(f"{what}: {'no answer' if answer is None else answer.text[:200]}")
        told: dict[str, Any] = answer.json()
        return told


def use(service: Service, guest: Guest, visit: Visit) -> None:
    """Do what a service does with somebody who has signed in; half of them sign out, half come back."""
    tokens = service.take_in(guest, visit)
    visit.finished = True
    tokens = service.go_on(tokens, guest, visit)
    if guest.signs_out:
        service.sign_out(tokens, guest, visit)
    else:
        guest.look()
        service.come_back(guest, visit)


Act = Callable[[Guest], None]

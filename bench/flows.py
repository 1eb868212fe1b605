"""The operations that are measured: what is sent, and what a good answer is; the same for every provider."""

import base64
import re
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from bench.load import Flow, Tally

VERIFIER = "v" * 64
# S256 of it.
CHALLENGE = "w1TpKUdYE9hUAcNSeeSRFioHDxfUxuHho_JHAfZ_vDM"
_CODE = re.compile(rb"\r\nlocation: [^\r]*[?&]code=([^&\r]+)", re.I)
_REFRESH = re.compile(rb'"refresh_token": ?"([^"]+)"')
_ACCESS = re.compile(rb'"access_token": ?"([^"]+)"')


@dataclass(frozen=True)
class Target:
    """A provider under load: where its endpoints are, its client, a browser that is signed in."""

    name: str
    port: int
    paths: dict[str, str]
    client_id: str
    client_secret: str
    redirect_uri: str
    cookie: str
    scope: str = "openid profile email offline_access"
    machine_scope: str = ""
    # Where the client's own grant needs another client, and where a refresh brings no ID token.
    machine_id: str = ""
    id_token_at_refresh: bool = True
    # What it cannot do: an operation's name, and why.
    cannot: Mapping[str, str] = field(default_factory=dict)
    # The forms of a whole sign-in, in order, as fields; "{person}" and "{code}" are filled in.
    forms: tuple[Mapping[str, str], ...] = ()
    login: str = "bench{}"
    # Where mailed codes are asked for, and whose turn it is: each concurrent visitor has so many people of its own.
    postbox: int = 0
    first_person: int = 0
    people_each: int = 1

    @cached_property
    def basic(self) -> str:
        """Return the header that proves the client."""
        return _basic(self.client_id, self.client_secret)

    @cached_property
    def machine_basic(self) -> str:
        """Return the header that proves the client that acts for itself."""
        return _basic(self.machine_id or self.client_id, self.client_secret)

    def get(self, path: str, headers: str = "") -> bytes:
        """Return a GET."""
        return f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n{headers}\r\n".encode()

    def post(self, path: str, headers: str, **form: str) -> bytes:
        """Return a POST of a form."""
        body = urlencode(form)
        return (
            f"POST {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nAccept: application/json\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}"
        ).encode()

    def authorize(self) -> bytes:
        """Return an authorization request of the signed-in browser."""
        return self.get(self.authorize_path(), f"Cookie: {self.cookie}\r\n")

    def authorize_path(self) -> str:
        """Return the path and query of an authorization request."""
        query = {
            "client_id": self.client_id, "redirect_uri": self.redirect_uri, "response_type": "code",
            "scope": self.scope, "state": "a-state", "nonce": "a-nonce", "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{self.paths['authorize']}?{urlencode(query)}"

    def code_in(self, answer: bytes) -> bytes | None:
        """Return the authorization code that an answer sends to the relying party."""
        found = _CODE.search(answer)
        return found[1] if found and self.redirect_uri.encode() in answer and answer[9:10] == b"3" else None

    def login_of(self, person: int) -> str:
        """Return what a person types as who they are."""
        return self.login.format(person)

    def email_of(self, person: int) -> str:
        """Return where a person's codes go."""
        return f"bench{person}@example.fr"

    def exchange(self, code: bytes) -> bytes:
        """Return the request that redeems a code."""
        return self.post(
            self.paths["token"], self.basic, grant_type="authorization_code", code=code.decode(),
            redirect_uri=self.redirect_uri, code_verifier=VERIFIER,
        )  # fmt: skip


def _basic(client_id: str, secret: str) -> str:
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"


def _is(answer: bytes, status: bytes, *words: bytes) -> bool:
    return answer[9:12] == status and all(word in answer for word in words)


def _read(path: str, *words: bytes) -> Any:
    def flow(target: Target, user: int, prepared: Any, tally: Tally) -> Flow:
        request = target.get(target.paths[path])
        while tally.goes_on():
            since = time.perf_counter()
            answer = yield request
            tally.add(since, _is(answer, b"200", *words), answer)

    return flow


def discovery(target: Target, user: int, prepared: Any, tally: Tally) -> Flow:
    """GET the metadata document."""
    yield from _read("discovery", b'"authorization_endpoint"', b'"jwks_uri"')(target, user, prepared, tally)


def jwks(target: Target, user: int, prepared: Any, tally: Tally) -> Flow:
    """GET the keys."""
    yield from _read("jwks", b'"keys"', b'"kid"')(target, user, prepared, tally)


def client_credentials(target: Target, user: int, prepared: Any, tally: Tally) -> Flow:
    """POST the client's own grant."""
    more = {"scope": target.machine_scope} if target.machine_scope else {}
    request = target.post(target.paths["token"], target.machine_basic, grant_type="client_credentials", **more)
    while tally.goes_on():
        since = time.perf_counter()
        answer = yield request
        tally.add(since, _is(answer, b"200", b'"access_token"'), answer)


def authorize(target: Target, user: int, prepared: Any, tally: Tally) -> Flow:
    """GET the authorization endpoint in a signed-in browser."""
    request = target.authorize()
    while tally.goes_on():
        since = time.perf_counter()
        answer = yield request
        tally.add(since, answer[9:12] in {b"302", b"303"} and _CODE.search(answer) is not None, answer)


def collect_codes(target: Target, user: int, prepared: list[bytes]) -> Flow:
    """Prepare codes to exchange."""
    request = target.authorize()
    for _ in range(CODES):
        answer = yield request
        found = _CODE.search(answer)
        if found is None:
            raise RuntimeError(f"{target.name} gives no code: {answer[:800]!r}")
        prepared.append(found[1])


CODES = 150


def exchange(target: Target, user: int, prepared: list[bytes], tally: Tally) -> Flow:
    """POST a code, get ID token, access token and refresh token."""
    while prepared and tally.goes_on():
        request = target.exchange(prepared.pop())
        since = time.perf_counter()
        answer = yield request
        tally.add(since, _is(answer, b"200", b'"id_token"', b'"refresh_token"', b'"access_token"'), answer)


def chain(target: Target, user: int, prepared: Any, tally: Tally) -> Flow:
    """Authorize, then exchange."""
    first = target.authorize()
    while tally.goes_on():
        since = time.perf_counter()
        answer = yield first
        code = _CODE.search(answer)
        if code is not None:
            answer = yield target.exchange(code[1])
        tally.add(since, code is not None and _is(answer, b"200", b'"id_token"', b'"refresh_token"'), answer)


def _tokens(target: Target, prepared: list[bytes]) -> Generator[bytes, bytes, None]:
    answer = yield target.authorize()
    code = _CODE.search(answer)
    answer = (yield target.exchange(code[1])) if code else answer
    found = _ACCESS.search(answer), _REFRESH.search(answer)
    if found[0] is None or found[1] is None:
        raise RuntimeError(f"{target.name} gives no tokens: {answer[:800]!r}")
    prepared += [found[0][1], found[1][1]]


def get_tokens(target: Target, user: int, prepared: list[bytes]) -> Flow:
    """Prepare an access token and a refresh token for this user."""
    yield from _tokens(target, prepared)


def refresh(target: Target, user: int, prepared: list[bytes], tally: Tally) -> Flow:
    """POST the newest refresh token of the user's own family, get its successor."""
    token, also = prepared[1], (b'"id_token"',) if target.id_token_at_refresh else ()
    while tally.goes_on():
        request = target.post(
            target.paths["token"], target.basic, grant_type="refresh_token", refresh_token=token.decode()
        )
        since = time.perf_counter()
        answer = yield request
        found = _REFRESH.search(answer)
        tally.add(since, found is not None and _is(answer, b"200", b'"access_token"', *also), answer)
        if found is None:
            return
        token = found[1]


def userinfo(target: Target, user: int, prepared: list[bytes], tally: Tally) -> Flow:
    """GET the claims under an access token."""
    request = target.get(target.paths["userinfo"], f"Authorization: Bearer {prepared[0].decode()}\r\n")
    while tally.goes_on():
        since = time.perf_counter()
        answer = yield request
        tally.add(since, _is(answer, b"200", b'"sub"', b'"email"'), answer)


def introspection(target: Target, user: int, prepared: list[bytes], tally: Tally) -> Flow:
    """POST an access token, learn that it lives."""
    request = target.post(target.paths["introspect"], target.basic, token=prepared[0].decode())
    while tally.goes_on():
        since = time.perf_counter()
        answer = yield request
        tally.add(since, answer[9:12] == b"200" and re.search(rb'"active": ?true', answer) is not None, answer)


# Name, what is prepared for each user, what is measured.
OPERATIONS: tuple[tuple[str, Any, Any], ...] = (
    ("discovery", None, discovery),
    ("JWKS", None, jwks),
    ("client credentials", None, client_credentials),
    ("authorize, signed in", None, authorize),
    ("code exchange", collect_codes, exchange),
    ("refresh, rotating", get_tokens, refresh),
    ("userinfo", get_tokens, userinfo),
    ("introspection", get_tokens, introspection),
    ("authorize + exchange", None, chain),
)

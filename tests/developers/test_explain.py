"""« Explain this request »: each check by name, the nearest redirect URI, and nothing carried out, shown or kept."""

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import text

from idp.db import db
from idp.oidc.checks import BEFORE_TRUST, CHECKS
from tests.conftest import ISSUER, Browser
from tests.developers.conftest import CALLBACK

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
Explained = Callable[[str], str]


def address(**changes: Any) -> str:
    """Return an authorization URL; a parameter set to ``None`` is left out."""
    fields = {
        "client_id": "web",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid profile",
        "state": "a state",
        "nonce": "n-0S6_WzA2Mj",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return f"{ISSUER}/authorize?" + urlencode({name: value for name, value in fields.items() if value is not None})


def token_form(**changes: Any) -> str:
    """Return the body of a token request."""
    fields = {
        "grant_type": "authorization_code",
        "code": "kode-that-nobody-may-see",
        "redirect_uri": CALLBACK,
        "code_verifier": "v" * 64,
        **changes,
    }
    return urlencode({name: value for name, value in fields.items() if value is not None})


def curl(form: str, user: str = "web:s3cret-of-the-client") -> str:
    """Return a curl command that sends a form."""
    return f"curl -s -u '{user}' \\\n  -d '{form}' \\\n  {ISSUER}/token"


def verdicts(page: str) -> dict[str, str]:
    """Return what the page says of each check."""
    found = re.findall(r'<li class="is-(\w+)">.*?<p class="name"><code>(\w+)</code>', page, re.S)
    return {name: outcome for outcome, name in found}


def failed(page: str) -> set[str]:
    return {name for name, outcome in verdicts(page).items() if outcome == "fail"}


def words(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page)))


def test_a_good_request_passes_every_check_of_the_provider(explained: Explained) -> None:
    page = explained(address())

    assert failed(page) == set()
    assert set(verdicts(page)) == {check.__name__ for check in (*BEFORE_TRUST, *CHECKS)} | {
        "parse_request",
        "check_source",
    }
    assert "passes every check" in words(page)


@pytest.mark.parametrize(
    ("changes", "check", "says"),
    [
        ({"response_type": "token"}, "check_response_type", "unsupported_response_type"),
        ({"code_challenge": None, "code_challenge_method": None}, "check_pkce", "code_challenge is required."),
        ({"code_challenge_method": "plain"}, "check_pkce", "must be S256"),
        ({"scope": "profile"}, "check_scope", "Begin the scope with openid."),
        ({"prompt": "none login"}, "check_prompt", "cannot be combined"),
        ({"response_mode": "smoke"}, "check_response_mode", "RFC 6749"),
        ({"max_age": "soon"}, "parse_max_age", "whole number of seconds"),
        ({"claims": "{"}, "parse_claims", "JSON object"),
        ({"redirect_uri": None}, "check_redirect_uri", "Always send redirect_uri"),
    ],
)
def test_a_bad_request_is_told_the_check_and_the_cure(
    explained: Explained, changes: dict[str, Any], check: str, says: str
) -> None:
    page = explained(address(**changes))

    assert failed(page) == {check}
    assert says in words(page)


def test_several_faults_are_told_at_once(explained: Explained) -> None:
    page = explained(address(scope="profile", max_age="soon", prompt="dance", redirect_uri=CALLBACK + "/"))

    assert failed(page) == {"check_scope", "parse_max_age", "check_prompt", "check_redirect_uri"}


def test_without_a_client_nothing_else_is_said_to_pass(explained: Explained) -> None:
    outcomes = verdicts(explained(address(client_id="nobody")))

    assert outcomes.pop("check_sent_once") == "pass"
    assert outcomes.pop("check_client") == "fail"
    assert set(outcomes.values()) == {"skipped"}


@pytest.mark.parametrize(
    ("sent", "marked", "hint"),
    [
        (CALLBACK + "/", ["/"], "Only the slash at the end differs."),
        (CALLBACK.replace("https", "http"), ["s"], "One is http, the other https."),
        (CALLBACK.replace("callback", "Callback"), ["C", "c"], "Capital and small letters differ."),
        (CALLBACK.replace(".fr/", ".fr:8443/"), [":8443"], "The port differs"),
        (CALLBACK + "?a=1", ["?a=1"], "The query differs"),
    ],
)
def test_the_nearest_redirect_uri_is_shown_with_what_differs(
    explained: Explained, add: Callable[..., Any], sent: str, marked: list[str], hint: str
) -> None:
    add("two", redirect_uris=["https://elsewhere.example.fr/x", CALLBACK])

    page = explained(address(client_id="two", redirect_uri=sent))

    assert failed(page) == {"check_redirect_uri"}
    assert re.findall(r"<mark>(.*?)</mark>", page) == marked
    assert hint in words(page)
    assert CALLBACK in words(page)
    assert "elsewhere" not in page


@pytest.mark.parametrize(
    "paste",
    [
        address(),
        address().replace(ISSUER, ""),
        address().split("?")[1],
        address().replace("&", "\n&"),
        f"GET {address().replace(ISSUER, '')} HTTP/1.1\nHost: idp.test\n\n",
        f"curl -v '{address()}'",
    ],
)
def test_a_request_can_be_pasted_in_many_forms(explained: Explained, paste: str) -> None:
    page = explained(paste)

    assert verdicts(page)
    assert failed(page) == set()


@pytest.mark.parametrize("paste", ["", "   ", "hello", "curl 'http", "a" * 40_000, "client_id=%00", "https://[x?a=b"])
def test_what_is_no_request_is_said_so(explained: Explained, paste: str) -> None:
    page = explained(paste)

    assert not verdicts(page)
    assert 'id="request-error"' in page


@pytest.mark.parametrize(
    "paste",
    [
        "curl", "curl ", "curl -u", "curl -d", "curl -H", "curl -d @/etc/passwd https://idp.test/token", "POST",
        "POST /", "POST /token\n\n",
        "POST /token\nAuthorization: Basic é\n\ngrant_type=x", "?", "&=&=", "=", "a=%zz", "a=%ff",
        "client_id=é&response_type=code", "client_id=%C3%A9&response_type=code",
        "response_type=code&client_id=%ED%A0%80",
        "grant_type=x&client_id=" + "a" * 9_000, "grant_type=authorization_code&client_id=web&code_verifier=é",
        "client_id=web&redirect_uri=" + "a" * 3_000, "client_id=web&claims=%7B%22id_token%22%3A1%7D",
        "client_id=web&id_token_hint=a.b.c", "&".join(f"a{n}=1" for n in range(500)), "http://[/authorize?a=1",
        "client_id=web&redirect_uri=http%3A%2F%2F%5B&request=x&request_uri=https%3A%2F%2Frp.example.fr%2Fr",
    ],
)  # fmt: skip
def test_whatever_is_pasted_there_is_an_answer(explained: Explained, paste: str) -> None:
    assert "data-reference" in explained(paste)


# -- token requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "paste",
    [
        curl(token_form()),
        f"POST /token HTTP/1.1\nAuthorization: Basic d2ViOnMzY3JldA==\n\n{token_form()}",
    ],
)
def test_a_good_token_request_passes_and_is_not_promised_more(explained: Explained, paste: str) -> None:
    page = explained(paste)

    assert failed(page) == set()
    assert "Not looked at: the secret" in words(page)


@pytest.mark.parametrize(
    ("paste", "check", "says"),
    [
        (curl(token_form(), user="nobody:x"), "check_client", "No client is registered"),
        (token_form(client_id="web"), "check_registered_method", "registered for client_secret_basic; this request"),
        (curl(token_form(client_secret="x", client_id="web")), "check_one_method", "More than one"),
        (curl(token_form(grant_type="password")), "check_grant_type", "unsupported_grant_type"),
        (curl(token_form(grant_type=None)), "check_grant_type", "grant_type is missing"),
        (curl(token_form(code=None)), "check_ticket", "code is missing"),
        (curl(token_form(redirect_uri=CALLBACK + "/")), "check_redirect_uri", "Only the slash at the end differs."),
        (curl(token_form(code_verifier=None)), "check_code_verifier", "code_verifier is missing"),
        (curl(token_form(code_verifier="short")), "check_code_verifier", "43 to 128"),
        (curl(token_form()).replace("/token", "/token?a=b"), "check_body", "belong in the body"),
        (curl(token_form() + "&code=2"), "check_sent_once", "more than once"),
    ],
)
def test_a_bad_token_request_is_told_the_check(explained: Explained, paste: str, check: str, says: str) -> None:
    page = explained(paste)

    assert failed(page) == {check}
    assert says in words(page)


def test_a_suspended_client_is_told_so(explained: Explained, app: Flask) -> None:
    from idp import clock
    from idp.oidc.clients import suspend_client

    with app.app_context():
        suspend_client("web", clock.now())
        db.session.commit()

    assert failed(explained(address())) == {"check_client_is_active"}
    assert failed(explained(curl(token_form()))) == {"check_client_is_active"}


# -- what it never does --------------------------------------------------------------------------------------------


SECRETS = {
    "client_secret": "s3cret-one",
    "code": "kode-two",
    "code_verifier": "verifier-three-" + "v" * 40,
    "refresh_token": "refresh-four",
    "client_assertion": "eyJ.assertion.five",
    "id_token_hint": "eyJ.hint.six",
    "login_hint": "1991399999001",
    "request": "eyJ.request.seven",
    "state": "state-eight",
    "made_up": "unknown-nine",
}


@pytest.mark.parametrize(
    "paste",
    [
        urlencode({**SECRETS, "grant_type": "authorization_code", "client_id": "web", "redirect_uri": CALLBACK}),
        address(**SECRETS),
        curl(urlencode({**SECRETS, "grant_type": "refresh_token"}), user="web:s3cret-ten"),
        "eyJhbGciOiJub25lIn0=",
        curl("grant_type=x", user="s3cret-ten"),
    ],
)
def test_nothing_that_could_be_secret_is_shown_or_logged(
    explained: Explained, told: list[dict[str, Any]], paste: str
) -> None:
    page = explained(paste)

    for secret in (*SECRETS.values(), "s3cret-ten", "eyJhbGciOiJub25lIn0"):
        assert secret not in page
        assert secret not in str(told)
    assert "s3cret" not in page


def test_nothing_is_carried_out(explained: Explained, app: Flask, http: Browser) -> None:
    explained(address())
    before = _everything(app)

    explained(address())
    explained(curl(token_form()))

    assert _everything(app) == before


def _everything(app: Flask) -> dict[str, int]:
    """Return how many rows each table has: codes, tokens, families, audit events."""
    with app.app_context():
        counted = {
            table.name: db.session.execute(text(f"SELECT count(*) FROM {table.name}")).scalar_one()
            for table in db.metadata.sorted_tables
        }
        db.session.rollback()
        return counted


def test_a_secret_is_not_compared(explained: Explained, add: Callable[..., str | None]) -> None:
    secret = add("other")

    right = explained(curl(token_form(), user=f"other:{secret}"))
    wrong = explained(curl(token_form(), user="other:wrong"))

    assert verdicts(right) == verdicts(wrong)


@pytest.mark.parametrize("switches", [{}, {"open": True}])
def test_outside_test_environments_it_is_not_there(
    http: Browser, allow: Callable[..., None], switches: dict[str, bool]
) -> None:
    allow(**switches)

    assert http.get("/docs/explain").status_code == 404
    assert http.post("/docs/explain", data={"request": address()}).status_code == 404
    assert "/docs/explain" not in http.get("/docs/").text


def test_a_form_of_another_site_explains_nothing(http: Browser, allow: Callable[..., None]) -> None:
    allow(explain=True)
    http.get("/docs/explain")

    answer = http.post("/docs/explain", data={"request": address()}, headers={"Origin": "https://evil.test"})

    assert answer.status_code == 403

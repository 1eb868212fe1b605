"""A relying party of OpenID Connect: asks, exchanges the code, calls UserInfo, and judges every answer.

`flow` is the way that every module of the OIDC plans takes; a module changes what goes in and looks at what comes out.
"""

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask

from tests.conformance.checks import (
    DISCOVERY,
    check_code_callback,
    check_error_callback,
    check_id_token,
    check_server,
    check_token_answer,
    check_userinfo,
)
from tests.conformance.visitor import Visitor, forms_of
from tests.conftest import ISSUER, Browser

Fields = dict[str, str]


@dataclass(frozen=True)
class Flow:
    """One way through: what was asked, and what came back."""

    request: Fields
    callback: Fields
    tokens: dict[str, Any]
    id_token: dict[str, Any]
    userinfo: dict[str, Any]


class RelyingParty:
    """One client, the browser in front of it, and the connection behind it."""

    def __init__(
        self,
        app: Flask,
        *,
        client_id: str,
        redirect_uri: str,
        secret: str | None = None,
        auth_method: str = "client_secret_basic",
        response_mode: str | None = None,
        visitor: Visitor | None = None,
    ) -> None:
        self.app = app
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.secret = secret
        self.auth_method = auth_method
        self.response_mode = response_mode
        self.back: Browser = app.test_client()  # type: ignore[assignment]
        # The browser's cookies last for one module; a second client of the module shares them.
        self.visitor = visitor or Visitor(app, app.test_client())  # type: ignore[arg-type]
        self.metadata: dict[str, Any] = self.back.get(DISCOVERY).json
        self.keys: dict[str, Any] = self.back.get(self.at("jwks_uri")).json
        check_server(self.metadata, self.keys)

    def at(self, endpoint: str) -> str:
        """Return the path of an endpoint that the metadata names."""
        return str(self.metadata[endpoint]).removeprefix(ISSUER)

    # -- in the browser --------------------------------------------------------------------------------------------

    def request(self, **changes: Any) -> Fields:
        """Return an authorization request as the suite makes it; a parameter set to ``None`` is left out."""
        fields = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": secrets.token_urlsafe(8),
            "nonce": secrets.token_urlsafe(8),
            "response_type": "code",
            "response_mode": self.response_mode,
            **changes,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def ask(self, request: Fields) -> Any:
        """Send the browser to the authorization endpoint."""
        return self.visitor.browser.get(self.at("authorization_endpoint"), query_string=request)

    def returned(self, request: Fields, **how: Any) -> Fields:
        """Ask, walk through what comes, and return what the callback brings."""
        return self.callback(self.visitor.walk(self.ask(request), **how))

    def callback(self, answer: Any) -> Fields:
        """Return what an answer brings to the redirect URI, in the response mode that was asked for."""
        if self.response_mode == "form_post":
            return self._posted(answer)
        assert answer.status_code in {302, 303}, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        return self._in_query(answer.headers["Location"])

    def _in_query(self, location: str) -> Fields:
        registered = urlsplit(self.redirect_uri)
        parts = urlsplit(location)
        assert not parts.fragment
        assert parts._replace(query="") == registered._replace(query="")
        # RFC 6749 §3.1.2: a query that was registered "MUST be retained".
        assert parts.query.startswith(registered.query)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
        kept = parse_qsl(registered.query)
        assert pairs[: len(kept)] == kept
        fields = dict(pairs[len(kept) :])
        assert len(fields) == len(pairs) - len(kept)
        return fields

    def _posted(self, answer: Any) -> Fields:
        """OAuth 2.0 Form Post Response Mode §2: a page whose script sends a form, with nothing in the query."""
        assert answer.status_code == 200, answer.headers
        assert "Location" not in answer.headers
        assert answer.mimetype == "text/html"
        assert answer.headers["Cache-Control"] == "no-store"
        (form,) = forms_of(answer.text)
        assert (form.method, form.action) == ("post", self.redirect_uri)
        assert "<script" in answer.text
        return form.fields

    # -- behind it -------------------------------------------------------------------------------------------------

    def post(self, path: str, form: Fields) -> Any:
        """Call an endpoint as this client."""
        if self.auth_method == "client_secret_post":
            return self.back.post(path, data={**form, "client_id": self.client_id, "client_secret": self.secret})
        return self.back.post(path, data=form, auth=(self.client_id, str(self.secret)))

    def exchange(self, code: str, **changes: Any) -> Any:
        """Send a code to the token endpoint."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri, **changes}
        return self.post(self.at("token_endpoint"), form)

    def refresh(self, token: str, **changes: Any) -> Any:
        """Send a refresh token to the token endpoint."""
        return self.post(self.at("token_endpoint"), {"grant_type": "refresh_token", "refresh_token": token, **changes})

    def userinfo(self, access_token: str, method: str = "GET") -> Any:
        """Call UserInfo with the token in the header."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return self.back.open(self.at("userinfo_endpoint"), method=method, headers=headers)

    # -- all of it -------------------------------------------------------------------------------------------------

    def flow(self, *, walked: bool | None = None, code_verifier: str | None = None, **changes: Any) -> Flow:
        """Go the whole way and judge every step; ``walked`` says whether the person must, or must not, see a page."""
        request = self.request(**changes)
        callback = self.returned(request)
        if walked is not None:
            assert bool(self.visitor.seen) is walked, self.visitor.seen
        return self.finish(request, callback, code_verifier=code_verifier)

    def finish(self, request: Fields, callback: Fields, *, code_verifier: str | None = None) -> Flow:
        """Judge a callback, exchange its code, call UserInfo."""
        code = check_code_callback(callback, issuer=ISSUER, state=request.get("state"))
        verifier = {} if code_verifier is None else {"code_verifier": code_verifier}
        tokens = check_token_answer(self.exchange(code, **verifier))
        id_token = check_id_token(
            tokens["id_token"], self.keys, issuer=ISSUER, client_id=self.client_id, nonce=request.get("nonce"),
            access_token=tokens["access_token"], code=code,
        )  # fmt: skip
        userinfo = check_userinfo(self.userinfo(tokens["access_token"]), sub=id_token["sub"])
        return Flow(request, callback, tokens, id_token, userinfo)

    def refusal(self, answer: Any, request: Fields, *errors: str) -> str:
        """Judge an error that came to the redirect URI, and return it."""
        fields = self.callback(answer)
        check_error_callback(fields, issuer=ISSUER, state=request.get("state"), errors=errors)
        return fields["error"]

    def is_signed_in(self) -> bool:
        """Tell whether `prompt=none` gets a code; else hold it to `login_required`."""
        request = self.request(prompt="none")
        answer = self.ask(request)
        if "code" in self.callback(answer):
            return True
        self.refusal(answer, request, "login_required")
        return False

"""A relying party of FAPI 2.0: pushes its requests, proves itself by key or certificate, binds its tokens.

Its first client asks with the plainest of requests, its second with everything that is unusual and allowed.
"""

import functools
import json
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from tests.conformance.checks import (
    FAPI2_ALGORITHMS,
    check_code_callback,
    check_error_answer,
    check_error_callback,
    check_id_token,
    check_jarm,
    check_page,
    check_secret,
    check_token_answer,
    check_userinfo,
)
from tests.conformance.keys import (
    Certificate,
    Key,
    assertion,
    dpop_proof,
    moment,
    new_key,
    sha256,
    sign,
)
from tests.conformance.plans import Kind
from tests.conformance.relying_party import Fields, Flow, RelyingParty
from tests.conformance.visitor import Visitor
from tests.conftest import ISSUER

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
QUERY = "?dummy1=lorem&dummy2=ipsum"
# What a refused client authentication may be called, and its status (RFC 6749 §5.2).
CLIENT_REFUSED = {"invalid_client": {400, 401}, "invalid_request": {400}}
POSSESSION_REFUSED = {"invalid_request": {400}, "invalid_grant": {400}, "invalid_dpop_proof": {400}}
INVALID_GRANT = {"invalid_grant": {400}}


@dataclass(frozen=True)
class Party:
    """Who a client is: its number among the two of a plan, and what it holds."""

    number: int
    client_id: str
    key: Key
    dpop_key: Key
    certificate: Certificate

    @property
    def is_second(self) -> bool:
        return self.number == 2


@dataclass
class Call:
    """One call of an endpoint, before it is made."""

    form: Fields = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def again_with_nonce(call: Callable[..., Any]) -> Callable[..., Any]:
    """Make a call a second time, everything in it anew, when the answer demands a nonce (RFC 9449 §8, §9)."""

    @functools.wraps(call)
    def twice(client: "FapiClient", *args: Any, **how: Any) -> Any:
        answer = call(client, *args, **how)
        challenge = answer.headers.get("WWW-Authenticate", "")
        error = (answer.get_json(silent=True) or {}).get("error")
        if error != "use_dpop_nonce" and 'error="use_dpop_nonce"' not in challenge:
            return answer
        assert answer.status_code in {400, 401}
        client.nonce = answer.headers["DPoP-Nonce"]
        return call(client, *args, **how)

    return twice


class FapiClient(RelyingParty):
    """A client of one `Kind`; a module changes what it sends by the arguments that begin with what is changed."""

    def __init__(
        self, app: Flask, party: Party, kind: Kind, *, redirect_uri: str, header: str, visitor: Visitor | None = None
    ) -> None:
        super().__init__(app, client_id=party.client_id, redirect_uri=redirect_uri, visitor=visitor)
        self.party = party
        self.kind = kind
        self.header = header
        self.verifier = ""
        self.nonce: str | None = None

    @property
    def is_dpop(self) -> bool:
        return self.kind.binding == "dpop"

    # -- proving itself --------------------------------------------------------------------------------------------

    def prove(self, call: Call, **assertion_changes: Any) -> Call:
        """Add the client authentication: the issuer as a string is the assertion's audience (FAPI 2.0 §5.3.2.1-8)."""
        if self.kind.auth == "mtls":
            call.form["client_id"] = self.client_id
            return self.show_certificate(call)
        made = {"key": self.party.key, "audience": ISSUER, **assertion_changes}
        call.form["client_assertion_type"] = ASSERTION_TYPE
        call.form["client_assertion"] = assertion(self.client_id, made.pop("key"), made.pop("audience"), **made)
        return call

    def show_certificate(self, call: Call) -> Call:
        call.headers[self.header] = self.party.certificate.header
        return call

    def possess(self, call: Call, method: str, path: str, *, key: Key | None = None, **changes: Any) -> Call:
        """Add the proof that binds tokens: a DPoP proof, or the certificate."""
        if not self.is_dpop:
            return self.show_certificate(call)
        proof = {"nonce": self.nonce, **changes}
        call.headers["DPoP"] = dpop_proof(key or self.party.dpop_key, method, ISSUER + path, **proof)
        return call

    def send(self, path: str, call: Call, method: str = "POST") -> Any:
        return self.back.open(path, method=method, data=call.form or None, headers=call.headers)

    # -- pushing ---------------------------------------------------------------------------------------------------

    def request(self, **changes: Any) -> Fields:
        """Return the parameters of a request, its PKCE verifier kept for the exchange."""
        self.verifier = secrets.token_urlsafe(48)
        fields = super().request(
            scope="openid profile email",
            state=secrets.token_urlsafe(96 if self.party.is_second else 8),
            nonce=secrets.token_urlsafe(32 if self.party.is_second else 8),
        )
        fields |= {"code_challenge": sha256(self.verifier), "code_challenge_method": "S256"}
        fields |= {"response_mode": "jwt"} if self.kind.jarm else {}
        fields |= changes
        return {name: value for name, value in fields.items() if value is not None}

    def request_object(self, request: Fields, *, key: Key | None = None, alg: str | None = None, **changes: Any) -> str:
        """Return a request object as FAPI 2.0 Message Signing §5.3 wants it."""
        claims: dict[str, Any] = {
            **request, "iss": self.client_id, "aud": ISSUER, "client_id": self.client_id,
            "nbf": moment(), "exp": moment(minutes=5),
        }  # fmt: skip
        if "claims" in request:
            claims["claims"] = json.loads(request["claims"])
        header: dict[str, Any] = {}
        if self.party.is_second:
            # RFC 9101 §10.8: a media type, whose case means nothing.
            claims["iat"], header["typ"] = moment(), "OautH-auThZ-REQ+jWt"
        return sign({**claims, **changes}, key or self.party.key, alg=alg, **header)

    @again_with_nonce
    def push(
        self,
        request: Fields,
        *,
        request_object: str | None = None,
        plain: bool = False,
        proof: dict[str, Any] | None = None,
        method: str = "POST",
        form: Fields | None = None,
        **assertion_changes: Any,
    ) -> Any:
        """Push a request; ``proof`` sends a DPoP proof along, which binds the code (RFC 9449 §10.1)."""
        if self.kind.signed and not plain:
            call = Call({"request": request_object or self.request_object(request)})
        else:
            call = Call(dict(request))
        call.form |= form or {}
        path = self.at("pushed_authorization_request_endpoint")
        if proof is not None:
            self.possess(call, method, path, **proof)
        return self.send(path, self.prove(call, **assertion_changes), method)

    def pushed(self, request: Fields, **how: Any) -> str:
        """Push a request that is good, judge the answer (RFC 9126 §2.2), and return its `request_uri`."""
        return str(self.check_pushed(self.push(request, **how))["request_uri"])

    def check_pushed(self, answer: Any) -> dict[str, Any]:
        assert answer.status_code == 201, answer.text
        assert answer.mimetype == "application/json"
        pushed: dict[str, Any] = answer.json
        assert pushed["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
        check_secret(pushed["request_uri"].rsplit(":", 1)[1])
        assert isinstance(pushed["expires_in"], int)
        assert 0 < pushed["expires_in"] < 600
        return pushed

    def check_push_refused(self, answer: Any, *errors: str) -> None:
        """Hold a refusal at the PAR endpoint to RFC 9126 §2.3."""
        check_error_answer(answer, {error: {400} for error in errors})

    # -- in the browser --------------------------------------------------------------------------------------------

    def open(self, request: Fields, request_uri: str, *, repeat: bool = True, **extra: str) -> Any:
        """Send the browser off with a `request_uri`.

        OpenID Connect Core §6.1 wants a few parameters again beside it, RFC 9101 §5 does not: ``repeat`` says which.
        """
        again = ("response_type", "client_id", "scope", "redirect_uri") if repeat else ("client_id",)
        query = {"request_uri": request_uri, **{name: request[name] for name in again if name in request}, **extra}
        if self.party.is_second:
            query = dict(sorted(query.items(), reverse=True))
        return self.ask(query)

    def callback(self, answer: Any) -> Fields:
        """Return what came to the redirect URI; with JARM what its JWT holds, and nothing beside it."""
        fields = super().callback(answer)
        if not self.kind.jarm:
            return fields
        assert fields.keys() == {"response"}, fields
        return check_jarm(fields["response"], self.keys, issuer=ISSUER, client_id=self.client_id)

    def authorize(self, request: Fields, request_uri: str, **how: Any) -> str:
        """Walk from a `request_uri` to the code, and judge the callback."""
        fields = self.callback(self.visitor.walk(self.open(request, request_uri, **how)))
        return check_code_callback(fields, issuer=ISSUER, state=request.get("state"))

    def get_code(self, push: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return the code for a good request."""
        request = self.request(**changes)
        return self.authorize(request, self.pushed(request, **(push or {})))

    def check_refused(self, answer: Any, request: Fields, *errors: str) -> None:
        """Hold an answer in the browser to an error page, or to one of ``errors`` at the redirect URI.

        An error that comes before the request is known comes plainly, also where JARM was asked for.
        """
        if answer.status_code not in {302, 303}:
            check_page(answer)
            return
        assert not answer.headers["Location"].startswith("/signin")
        plain = RelyingParty.callback(self, answer)
        fields = self.callback(answer) if "response" in plain else plain
        check_error_callback(fields, issuer=ISSUER, state=fields.get("state"), errors=errors)
        assert fields.get("state") in {None, request.get("state")}

    # -- behind it -------------------------------------------------------------------------------------------------

    def token_call(
        self, code: str, *, proof: dict[str, Any] | None = None, possess: bool = True, **changes: Any
    ) -> Call:
        """Return the exchange of a code, all but the client authentication; ``proof`` changes the DPoP proof."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        form |= {"code_verifier": self.verifier, **changes}
        call = Call({name: value for name, value in form.items() if value is not None})
        return self.possess(call, "POST", self.at("token_endpoint"), **(proof or {})) if possess else call

    @again_with_nonce
    def exchange(self, code: str, *, auth: dict[str, Any] | None = None, **how: Any) -> Any:
        """Exchange a code; ``auth`` changes the client assertion."""
        return self.send(self.at("token_endpoint"), self.prove(self.token_call(code, **how), **(auth or {})))

    def refresh_call(
        self, token: str, *, proof: dict[str, Any] | None = None, possess: bool = True, **changes: Any
    ) -> Call:
        """Return the use of a refresh token, all but the client authentication."""
        call = Call({"grant_type": "refresh_token", "refresh_token": token, **changes})
        return self.possess(call, "POST", self.at("token_endpoint"), **(proof or {})) if possess else call

    @again_with_nonce
    def refresh(self, token: str, **how: Any) -> Any:
        return self.send(self.at("token_endpoint"), self.prove(self.refresh_call(token, **how)))

    @property
    def token_type(self) -> str:
        return "DPoP" if self.is_dpop else "Bearer"

    @again_with_nonce
    def resource(
        self,
        access_token: str,
        *,
        scheme: str | None = None,
        proof: dict[str, Any] | None = None,
        possess: bool = True,
        headers: dict[str, str] | None = None,
        query: Fields | None = None,
    ) -> Any:
        """Call the protected resource, which is UserInfo."""
        call = Call(headers=dict(headers or {}))
        path = self.at("userinfo_endpoint")
        if query is None:
            call.headers["Authorization"] = f"{scheme or self.token_type} {access_token}"
        if possess:
            self.possess(call, "GET", path, token=access_token, **(proof or {}))
        return self.back.get(path, query_string=query, headers=call.headers)

    # -- all of it -------------------------------------------------------------------------------------------------

    def flow(
        self,
        *,
        push: dict[str, Any] | None = None,
        how: dict[str, Any] | None = None,
        proof: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Flow:
        """Go the whole way and judge every step; ``proof`` changes the DPoP proofs for tokens and resource."""
        request = self.request(**changes)
        code = self.authorize(request, self.pushed(request, **(push or {})), **(how or {}))
        return self.redeem(request, code, proof=proof)

    def redeem(
        self, request: Fields, code: str, *, proof: dict[str, Any] | None = None, asked: Collection[str] = ()
    ) -> Flow:
        """Exchange a code and call the resource, and judge both."""
        tokens = check_token_answer(self.exchange(code, proof=proof), token_type=self.token_type)
        id_token = check_id_token(
            tokens["id_token"], self.keys, issuer=ISSUER, client_id=self.client_id, nonce=request.get("nonce"),
            access_token=tokens["access_token"], code=code, algorithms=FAPI2_ALGORITHMS, asked=asked,
        )  # fmt: skip
        userinfo = check_userinfo(self.resource(tokens["access_token"], proof=proof), sub=id_token["sub"])
        return Flow(request, {"code": code}, tokens, id_token, userinfo)


def other_thumbprint() -> str:
    """Return the thumbprint of a key that signs nothing here."""
    return new_key().thumbprint()

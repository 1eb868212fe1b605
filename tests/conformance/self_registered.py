"""A relying party that registers itself, as the suite's clients of the Dynamic OP plan do, and signs its assertions."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from idp import clock as idp_clock
from idp.db import db
from idp.messages import outbox
from idp.oidc import discovery
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, ISSUER, Browser
from tests.registering import Registrant

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CALLBACK = "https://rp.test/a/sesame/callback"


def public(*keys: RSAKey | ECKey) -> dict[str, Any]:
    """Return the public halves as a JWKS."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def rsa_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


class SelfRegistered:
    """One client that registered itself, its key, and a fresh browser in front of it."""

    def __init__(self, app: Flask, key: RSAKey, **document: Any) -> None:
        self.app, self.key = app, key
        self.browser: Browser = app.test_client()  # type: ignore[assignment]
        self.back: Browser = app.test_client()  # type: ignore[assignment]
        self.metadata = self.back.get("/.well-known/openid-configuration").json
        self.keys = self.back.get("/jwks.json").json
        self.registrant = Registrant(app, self.back)
        sent = {
            "redirect_uris": [CALLBACK], "grant_types": ["authorization_code"], "response_types": ["code"],
            "token_endpoint_auth_method": "private_key_jwt", "client_name": "Conformance Suite",
            "contacts": ["certification@rp.test"], "jwks": public(key), **document,
        }  # fmt: skip
        self.answer = self.registrant.register(**sent)
        self.client: dict[str, Any] = self.answer.json
        self.redirect_uri = sent["redirect_uris"][0]

    def leave(self) -> None:
        """Take the client back, as every module does at its end."""
        assert self.registrant.manage("DELETE", self.client).status_code == 204

    # -- in the browser --------------------------------------------------------------------------------------------

    def ask(self, **changes: Any) -> Any:
        """Send an authorization request as the suite makes it: no PKCE; ``None`` leaves a parameter out."""
        request = {
            "client_id": self.client["client_id"], "redirect_uri": self.redirect_uri, "scope": "openid",
            "state": "st4te", "nonce": "n0nce", "response_type": "code", **changes,
        }  # fmt: skip
        sent = {name: value for name, value in request.items() if value is not None}
        return self.browser.get("/authorize", query_string=sent)

    def first_page(self, **changes: Any) -> str:
        """Return the first page that a person sees."""
        return str(self._follow(self.ask(**changes)).text)

    def sign_in(self, answer: Any) -> Any:
        """Walk through whatever pages come, to what leads back to the relying party."""
        page = self._follow(answer)
        for action, fields in (
            ("/identify", lambda: {"nir": ALICE_NIR, "password": ALICE_PASSWORD}),
            ("/send", lambda: {"channel": "email"}),
            ("/code", lambda: {"code": self._mailed_code()}),
            ("/consent", lambda: {"decision": "allow"}),
        ):
            if page.status_code == 200 and f'{action}"' in page.text:
                page = self._follow(self.browser.submit(page.text, action, **fields()))
        return page

    def _follow(self, answer: Any) -> Any:
        while answer.status_code == 303 and answer.headers["Location"].startswith("/"):
            answer = self.browser.get(answer.headers["Location"])
        return answer

    def _mailed_code(self) -> str:
        with self.app.app_context():
            now = idp_clock.now()
            mails = outbox.claim(channel="email", worker="test", limit=9, lease=timedelta(seconds=60), now=now)
            db.session.commit()
        code = re.search(r"\b(\d{3})\s?(\d{3})\b", mails[0].message.text)
        assert code
        return code[1] + code[2]

    def callback(self, answer: Any) -> dict[str, str]:
        """Return what comes to the redirect URI, whose own query is kept."""
        assert answer.status_code == 303, answer.text
        location, registered = urlsplit(answer.headers["Location"]), urlsplit(self.redirect_uri)
        assert location._replace(query="") == registered._replace(query="")
        pairs = parse_qsl(location.query, keep_blank_values=True, strict_parsing=True)
        kept = parse_qsl(registered.query)
        assert pairs[: len(kept)] == kept
        fields = dict(pairs[len(kept) :])
        assert fields["iss"] == ISSUER
        return fields

    # -- behind it -------------------------------------------------------------------------------------------------

    def post(self, audience: str = f"{ISSUER}/token", key: RSAKey | None = None, **form: str) -> Any:
        """Call the token endpoint; the suite names it as the assertion's audience."""
        key, now, own = key or self.key, int(idp_clock.now().timestamp()), self.client["client_id"]
        claims = {
            "iss": own,
            "sub": own,
            "aud": audience,
            "jti": secrets.token_urlsafe(15),
            "iat": now,
            "exp": now + 60,
        }
        assertion = jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key, algorithms=["RS256"])
        return self.back.post(
            "/token", data={"client_assertion_type": ASSERTION, "client_assertion": assertion, **form}
        )

    def exchange(self, code: str, **how: Any) -> Any:
        return self.post(grant_type="authorization_code", code=code, redirect_uri=self.redirect_uri, **how)

    def userinfo(self, token: str) -> Any:
        return self.back.get("/userinfo", headers={"Authorization": f"Bearer {token}"})

    def read(self, token: str, alg: str = "RS256") -> dict[str, Any]:
        """Return the claims of a token that a published key signed, found by its `kid`."""
        signed = jws.deserialize_compact(token, KeySet.import_key_set(self.keys), algorithms=[alg])
        assert signed.headers()["kid"] in {key["kid"] for key in self.keys["keys"]}
        claims: dict[str, Any] = json.loads(signed.payload)
        return claims

    def flow(self, **changes: Any) -> dict[str, Any]:
        """Go the whole way, judge it, and return the answer of the token endpoint."""
        callback = self.callback(self.sign_in(self.ask(**changes)))
        assert callback["state"] == "st4te"
        return self.finish(callback)

    def finish(self, callback: dict[str, str], **how: Any) -> dict[str, Any]:
        answer = self.exchange(callback["code"], **how)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json
        claims = self.read(tokens["id_token"])
        assert (claims["iss"], claims["aud"], claims["nonce"]) == (ISSUER, self.client["client_id"], "n0nce")
        told = self.userinfo(tokens["access_token"])
        assert told.status_code == 200
        if told.mimetype == "application/json":
            assert told.json["sub"] == claims["sub"]
        return tokens


@contextmanager
def certification(app: Flask, **changes: Any) -> Iterator[None]:
    """Put the provider under certification settings."""
    before = app.extensions["sesame"]["settings"]
    rules = before.certification.model_copy(update=changes)
    app.extensions["sesame"]["settings"] = before.model_copy(update={"certification": rules})
    discovery._documents.clear()
    yield
    app.extensions["sesame"]["settings"] = before
    discovery._documents.clear()

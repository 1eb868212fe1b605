"""A website that lets people sign in with Sésame, in one file: what a relying party has to do, and nothing else.

    pip install authlib flask requests
    python app.py            (with `idp demo` it is started for you)

Authlib does the protocol: discovery, PKCE, `state`, `nonce`, the code exchange, the ID token's signature and claims.
What it has no function for, the logout token, is checked below step by step.
"""

import json
import os
import secrets
import threading
import time
from datetime import datetime
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, Response, redirect, render_template, request, session, url_for
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
PORT = int(os.environ.get("PORT", "8001"))

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ.get("SECRET_KEY", secrets.token_hex(32)),
    # Cookies know no ports: on localhost this one also reaches the provider, so its name must be ours alone.
    SESSION_COOKIE_NAME="demo_web_session",
    SESSION_COOKIE_SAMESITE="Lax",
    SERVER_NAME=f"localhost:{PORT}",
)
sesame = OAuth(app).register(
    "sesame",
    client_id=os.environ.get("CLIENT_ID", "demo-web"),
    client_secret=os.environ.get("CLIENT_SECRET", "demo-secret"),
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={
        "scope": "openid profile email phone address",
        "code_challenge_method": "S256",
        "timeout": 10,
    },
)

# Tokens stay on the server; the browser's cookie only names the entry. A real site uses its database or Redis.
signed_in: dict[str, dict[str, Any]] = {}

# Logout tokens that were used, and until when each is remembered.
used_logout_tokens: dict[str, float] = {}
used_lock = threading.Lock()

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
ALGORITHMS = ("RS256", "ES256")  # never what the token says of itself, and never `none`
SKEW = 60  # seconds between our clock and the provider's
LONGEST_LIFE = 300

# What `acr` and `amr` mean, for people.
LEVELS = {
    "urn:sesame:acr:2sv": "Mot de passe, puis un code reçu par e-mail.",
    "urn:sesame:acr:mfa": "Mot de passe, puis un code reçu par SMS.",
    "phr": "Clé d’accès (visage, empreinte ou code de l’appareil) : résiste à l’hameçonnage.",
}
PROOFS = {
    "pwd": "un mot de passe",
    "otp": "un code à usage unique",
    "sms": "un SMS sur le mobile enregistré",
    "mfa": "deux preuves de natures différentes",
    "pop": "une clé d’accès",
    "hwk": "une clé matérielle",
    "user": "la présence de la personne",
}
ERRORS = {
    "access_denied": "Vous avez annulé la connexion.",
    "unmet_authentication_requirements": "Le niveau demandé n’a pas pu être atteint.",
    "temporarily_unavailable": "Le service de connexion est momentanément indisponible.",
}


@app.get("/")
def home() -> Any:
    return render_template("home.html", person=current(), signed_out="signed_out" in request.args)


@app.get("/login")
def login() -> Any:
    """Send the browser to the provider; Authlib keeps `state`, `nonce` and the PKCE verifier in our session."""
    wishes = {name: request.args[name] for name in ("acr_values", "prompt", "ui_locales") if name in request.args}
    if "level" in request.args:
        # `acr_values` is a wish; an essential claim is a demand: this level, or an error (Core §5.5.1.1).
        demand = {"essential": True, "value": request.args["level"]}
        wishes |= {"acr_values": request.args["level"], "claims": json.dumps({"id_token": {"acr": demand}})}
    return sesame.authorize_redirect(url_for("callback", _external=True), **wishes)


@app.get("/callback")
def callback() -> Any:
    """Exchange the code, check the ID token, and only then believe who came."""
    if "error" not in request.args and request.args.get("iss") != sesame.load_server_metadata()["issuer"]:
        # RFC 9207: an answer that does not name our provider may come from another one.
        raise OAuthError("invalid_issuer", "the answer does not come from our provider")
    token = sesame.authorize_access_token()
    claims = token.pop("userinfo")
    userinfo = sesame.userinfo(token=token)
    if userinfo["sub"] != claims["sub"]:
        raise OAuthError("invalid_userinfo", "UserInfo speaks of someone else")  # Core §5.3.2
    # A new entry at each sign-in, so that an identifier planted before is worth nothing.
    signed_in.pop(session.pop("entry", ""), None)
    session["entry"] = secrets.token_urlsafe(32)
    signed_in[session["entry"]] = {"token": token, "claims": claims, "userinfo": userinfo, "refreshed": 0}
    return redirect(url_for("profile"))


@app.get("/profile")
def profile() -> Any:
    person = current()
    if person is None:
        return redirect(url_for("home"))
    return render_template("profile.html", person=person, levels=LEVELS, proofs=PROOFS)


@app.post("/refresh")
def refresh() -> Any:
    """Get fresh tokens without the person; the old refresh token is used up."""
    person = current()
    if person is None or "refresh_token" not in person["token"]:
        return redirect(url_for("home"))
    token = sesame.fetch_access_token(grant_type="refresh_token", refresh_token=person["token"]["refresh_token"])
    if "id_token" in token:
        claims = sesame.parse_id_token(token, nonce=None)
        if claims["sub"] != person["claims"]["sub"]:
            raise OAuthError("invalid_id_token", "the new ID token speaks of someone else")  # Core §12.2
        person["claims"] = claims
    person["token"] |= token
    person["userinfo"] = sesame.userinfo(token=person["token"])
    person["refreshed"] += 1
    return redirect(url_for("profile"))


@app.post("/logout")
def logout() -> Any:
    """Sign out here, then at the provider (OpenID Connect RP-Initiated Logout).

    POST, and the session cookie is SameSite=Lax: another site cannot sign people out.
    """
    person = signed_in.pop(session.pop("entry", ""), None)
    if person is None:
        return redirect(url_for("home"))
    return sesame.logout_redirect(
        post_logout_redirect_uri=url_for("home", _external=True), id_token_hint=person["token"]["id_token"]
    )


@app.post("/backchannel-logout")
def backchannel_logout() -> Any:
    """Hear from the provider's server that a session ended, and end ours (OpenID Connect Back-Channel Logout §2.5).

    No cookie comes with it, and none is needed: the signature says who speaks.
    """
    try:
        claims = check_logout_token(request.form.get("logout_token", ""))
    except (JoseError, ValueError) as fault:
        app.logger.warning("logout token refused: %s", fault)
        return {"error": "invalid_request", "error_description": "The logout token is not good."}, 400
    # §2.7: with `sid` that one session, without it every session of the person.
    name = "sid" if "sid" in claims else "sub"
    for entry, person in list(signed_in.items()):
        if person["claims"].get(name) == claims[name]:
            signed_in.pop(entry, None)
    return "", 200


def check_logout_token(token: str) -> dict[str, Any]:
    """Return the claims of a good logout token, or raise `ValueError` or `JoseError` (§2.6, step by step)."""
    try:
        read = jwt.decode(token, KeySet.import_key_set(sesame.fetch_jwk_set()), algorithms=ALGORITHMS)
    except InvalidKeyIdError:
        # The provider may have changed its keys since we fetched them.
        read = jwt.decode(token, KeySet.import_key_set(sesame.fetch_jwk_set(force=True)), algorithms=ALGORITHMS)
    claims, now = read.claims, time.time()
    audience = claims.get("aud")
    events = claims.get("events")
    moments = [claims.get("iat"), claims.get("exp")]
    if not all(isinstance(moment, int) for moment in moments):
        raise ValueError("iat or exp is missing")
    issued, ends = moments
    for is_good, fault in (
        # Any other type, above all an ID token's, was made for something else (RFC 8725 §3.11).
        (read.header.get("typ") == "logout+jwt", "not a logout token"),
        (claims.get("iss") == sesame.load_server_metadata()["issuer"], "of another provider"),
        (sesame.client_id in (audience if isinstance(audience, list) else [audience]), "for another client"),
        (issued <= now + SKEW and now < ends + SKEW and ends - issued <= LONGEST_LIFE, "not of now"),
        (isinstance(claims.get("sub") or claims.get("sid"), str), "names neither person nor session"),
        (isinstance(events, dict) and isinstance(events.get(LOGOUT_EVENT), dict), "of another event"),
        ("nonce" not in claims, "has a nonce, as only an ID token may"),
        (isinstance(claims.get("jti"), str), "has no jti"),
    ):
        if not is_good:
            raise ValueError(fault)
    with used_lock:
        for old in [jti for jti, until in used_logout_tokens.items() if until < now]:
            del used_logout_tokens[old]
        if claims["jti"] in used_logout_tokens:
            raise ValueError("used before")
        used_logout_tokens[claims["jti"]] = ends + SKEW
    return dict(claims)


@app.get("/frontchannel-logout")
def frontchannel_logout() -> Any:
    """Hear it from the person's browser, in a hidden frame (OpenID Connect Front-Channel Logout §2).

    Our cookie need not come along: the session's name is enough, and it is known to nobody else.
    """
    sid = request.args.get("sid")
    if sid and request.args.get("iss") == sesame.load_server_metadata()["issuer"]:
        for entry, person in list(signed_in.items()):
            if person["claims"].get("sid") == sid:
                signed_in.pop(entry, None)
    response = Response("", 200)
    response.headers["Content-Security-Policy"] = f"default-src 'none'; frame-ancestors {ISSUER}"
    return response


@app.errorhandler(OAuthError)
@app.errorhandler(JoseError)
def refused(fault: Any) -> Any:
    app.logger.warning("sign-in refused: %s", fault)
    message = ERRORS.get(fault.error, "La connexion n’a pas abouti.")
    return render_template("refused.html", message=message, fault=fault), 400


@app.after_request
def add_headers(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'self'; img-src data:; form-action 'self' {ISSUER}; "
        "base-uri 'none'; frame-ancestors 'none'",
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    # The address of /callback holds a code; it must not reach whoever is linked from the page.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@app.template_filter("moment")
def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%d/%m/%Y à %H:%M:%S")


@app.context_processor
def addresses() -> dict[str, str]:
    return {"issuer": ISSUER, "mailbox": os.environ.get("MAILBOX", "http://localhost:8002")}


def current() -> dict[str, Any] | None:
    """Return what we keep of the person who is signed in, if somebody is."""
    return signed_in.get(session.get("entry", ""))


if __name__ == "__main__":
    app.run(host="localhost", port=PORT, threaded=True)

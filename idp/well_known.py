"""Documents that other programs look for at fixed addresses: which apps are ours, where passwords and passkeys live.

All from settings, registrations and the issuer, nothing from the request: a foreign Host gets no say in them (AC-90).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, jsonify, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp.settings import settings
from idp.web import PageError

blueprint = Blueprint("well_known", __name__, url_prefix="/.well-known")
# Passwords need the first, passkeys the second (Digital Asset Links).
_RELATIONS = ["delegate_permission/common.get_login_creds", "delegate_permission/common.handle_all_urls"]


@dataclass(frozen=True, slots=True)
class Apps:
    """Apps that are ours: iOS by team and bundle, Android by package and SHA-256 of its certificates."""

    apple: tuple[str, ...] = ()
    android: Mapping[str, list[str]] = field(default_factory=dict)


# Who else knows apps of ours; the parts that keep registrations add themselves.
REGISTERED: list[Callable[[], Apps]] = []


@blueprint.get("/apple-app-site-association")
def apple_app_site_association() -> Response:
    """Name the operator's iOS apps that may use this host's passkeys and open its links."""
    registered = [app for known in REGISTERED for app in known().apple]
    apps = list(dict.fromkeys((*settings.passkeys.apple_apps, *registered)))
    if not apps:
        raise PageError("not_found", 404, "no app is configured")
    document: dict[str, Any] = {"webcredentials": {"apps": apps}}
    if settings.passkeys.apple_paths:
        components = [{"/": path} for path in settings.passkeys.apple_paths]
        document["applinks"] = {"details": [{"appIDs": apps, "components": components}]}
    return _document(document)


@blueprint.get("/assetlinks.json")
def assetlinks() -> Response:
    """Name the operator's Android apps that may use this host's passkeys and open its links."""
    apps = {package: list(prints) for package, prints in settings.passkeys.android_apps.items()}
    for known in REGISTERED:
        for package, prints in known().android.items():
            apps[package] = list(dict.fromkeys((*apps.get(package, ()), *prints)))
    if not apps:
        raise PageError("not_found", 404, "no app is configured")
    statements = [
        {
            "relation": _RELATIONS,
            "target": {
                "namespace": "android_app",
                "package_name": package,
                "sha256_cert_fingerprints": fingerprints,
            },
        }
        for package, fingerprints in apps.items()
    ]
    return _document(statements)


@blueprint.get("/webauthn")
def related_origins() -> Response:
    """Name the other sites that may use our passkeys (WebAuthn §5.11, related origins)."""
    sites = [origin for origin in settings.passkeys.origins if origin.startswith("https://")]
    if not sites:
        raise PageError("not_found", 404, "no related origin is configured")
    return _document({"origins": [settings.issuer, *sites]})


@blueprint.get("/passkey-endpoints")
def passkey_endpoints() -> Response:
    """Tell password managers where a passkey is added and managed (W3C Passkey Endpoints)."""
    if not settings.passkeys.enabled:
        raise PageError("not_found", 404, "passkeys are not offered")
    where = f"{settings.issuer}/account/passkeys"
    return _document({"enroll": f"{where}/add", "manage": where})


@blueprint.get("/change-password")
def change_password() -> BaseResponse:
    """Lead password managers to where the password is changed (W3C Well-Known URL for Changing Passwords)."""
    return redirect(settings.change_password_url, 302)


def _document(content: Any) -> Response:
    answer = jsonify(content)
    # Apple and Google fetch these from their own servers, and keep them.
    answer.headers["Cache-Control"] = "public, max-age=3600"
    return answer

"""The pages under `/docs`, for those who build services."""

from typing import Any

from flask import Blueprint, Response, request

from idp.developers import errors
from idp.developers.explain import explain
from idp.developers.reader import find_reader, is_test_environment, may_explain
from idp.i18n import force_locale
from idp.mfa.levels import ACR_VALUES
from idp.settings import settings
from idp.web import PageError, check_csrf, csrf_token, ensure_session, page

blueprint = Blueprint("developers", __name__, url_prefix="/docs", template_folder="templates")
CSRF_SCOPE = "docs"
LANGUAGE = "en"

# The word in the address, and what it is called.
CLIENTS = {
    "authlib": "Authlib with Flask",
    "openid-client": "openid-client for Node",
    "appauth": "AppAuth for Android and iOS",
    "mod-auth-openidc": "mod_auth_openidc for Apache",
    "spring-security": "Spring Security",
}


@blueprint.get("/")
def index() -> Response:
    """List what developers can read."""
    return _show("index.html")


@blueprint.get("/first-sign-in")
def first_sign_in() -> Response:
    """Lead to a first sign-in in ten minutes."""
    return _show("first_sign_in.html")


@blueprint.get("/clients/<name>")
def client_library(name: str) -> Response:
    """Show one library with the reader's own client filled in."""
    if name not in CLIENTS:
        raise PageError("not_found", 404, "no such library")
    return _show(f"clients/{name}.html", title=CLIENTS[name])


@blueprint.get("/errors")
def error_codes() -> Response:
    """List every error with its cause and its cure."""
    return _show("errors.html", told=errors.ERRORS, shown=errors.PAGES)


@blueprint.get("/resource-servers")
def resource_servers() -> Response:
    """Say how an API checks a token and asks for a better sign-in."""
    return _show("resource_servers.html", levels=ACR_VALUES)


@blueprint.get("/sign-out")
def sign_out() -> Response:
    """Say how a service signs people out, and how it learns that they signed out elsewhere."""
    return _show(
        "sign_out.html",
        timeout=int(settings.logout.timeout.total_seconds()),
        give_up_hours=int(settings.logout.give_up_after.total_seconds() // 3600),
    )


@blueprint.get("/bank-grade")
def bank_grade() -> Response:
    """Lead from a plain request to FAPI 2.0: keys, PAR, JAR, JARM, DPoP."""
    return _show("bank_grade.html")


@blueprint.route("/explain", methods=["GET", "POST"])
def explain_request() -> Response:
    """Say of a pasted request which checks it passes; nothing of it is carried out."""
    if not may_explain():
        raise PageError("not_found", 404, "requests are not explained here")
    ensure_session()
    explanation = None
    if request.method == "POST":
        check_csrf(CSRF_SCOPE)
        explanation = explain(request.form.get("request", ""))
    return _show("explain.html", explanation=explanation, docs_token=csrf_token(CSRF_SCOPE))


def _show(template: str, **context: Any) -> Response:
    """Render a page in English, the one language of these pages (R17)."""
    with force_locale(LANGUAGE):
        return page(
            f"developers/{template}",
            reader=find_reader(request.args.get("client_id")),
            is_open=is_test_environment(),
            is_explained=may_explain(),
            libraries=CLIENTS,
            is_plain_http=not settings.has_tls,
            locale=LANGUAGE,
            direction="ltr",
            **context,
        )

"""How a form proves that it came from our own page: a token bound to the browser session, and the browser's word."""

from flask import request

from idp import crypto
from idp.session import Session
from idp.settings import settings


class StaleForm(Exception):
    """A form came from another site, another browser or another time; nothing was done."""


def token_of(session: Session | None, scope: str) -> str:
    """Return the token of a form that belongs to ``scope`` (an interaction, a page)."""
    return crypto.keyed("csrf", session.csrf, scope).hex()[:32] if session else ""


def check_token(session: Session | None, scope: str) -> None:
    """Raise `StaleForm` unless this POST carries the token of ``scope`` and comes from our own origin."""
    # RFC 6454: browsers that do not send Sec-Fetch-Site send Origin with every POST.
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin":
        raise StaleForm("cross-site")
    origin = request.headers.get("Origin")
    if origin is not None and origin != settings.issuer and not (origin == "null" and site == "same-origin"):
        raise StaleForm("foreign origin")
    given = request.form.getlist("csrf")
    if session is None or len(given) != 1 or not crypto.same(token_of(session, scope), given[0]):
        raise StaleForm("token")

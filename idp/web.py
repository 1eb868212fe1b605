"""Flask's side of every page: the session cookie, the common context, error pages with a spoken reference."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, cast

from flask import Flask, Response, current_app, g, make_response, render_template, request, url_for
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from idp import audit, clock, csrf, entropy, figures, i18n, logs, metrics, operations, session, tracing
from idp.csrf import StaleForm
from idp.db import db
from idp.guard import allow_form_target, complete, init_guard, nonce
from idp.per_app import ours
from idp.session import Proof, Session
from idp.settings import settings
from idp.state import StateDown

__all__ = [
    "PageError",
    "StaleForm",
    "address_unit",
    "allow_form_target",
    "change_session",
    "check_csrf",
    "client_address",
    "csrf_token",
    "current_session",
    "device_cookie",
    "end_current_session",
    "ensure_session",
    "init_web",
    "note_request",
    "page",
    "peer_address",
    "real_peer",
    "renew_session",
    "set_device_cookie",
    "sign_in_session",
    "undo_sign_in",
]

_WITHOUT_DATABASE = {"static", "health.live", "health.ready"}
SESSION_COOKIE = "sid"
DEVICE_COOKIE = "device"
log = logs.get_logger()

# What werkzeug's errors are called on our pages; the rest is `bad_request`.
_PAGES = {
    404: "not_found",
    405: "not_found",
    413: "too_large",
    414: "too_large",
    500: "server",
    503: "unavailable",
}


class PageError(Exception):
    """The visitor cannot go on here; ``kind`` names the page in ``errors/``, ``detail`` goes to the log only."""

    def __init__(self, kind: str, status: int, detail: str, **context: Any) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status = status
        self.detail = detail
        self.context = context


def init_web(app: Flask) -> None:
    """Give ``app`` its error pages, cookies, headers and request log."""
    hops = app.extensions["sesame"]["settings"].trusted_hops
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    # Registered first, runs last: it sees the final answer.
    app.after_request(_finish)
    init_guard(app)
    app.before_request(_begin)
    app.context_processor(_common_context)
    app.register_error_handler(PageError, _page_error)
    app.register_error_handler(StaleForm, _stale_form)
    app.register_error_handler(HTTPException, _http_error)
    for fault in (StateDown, OperationalError, PoolTimeout, DBAPIError):
        app.register_error_handler(fault, _store_down)
    app.register_error_handler(Exception, _unexpected)


# -- the browser session -------------------------------------------------------------------------------------------


def current_session() -> Session | None:
    """Return the session of this browser, or ``None``; the store is asked once per request."""
    if "session" not in g:
        g.session_id = request.cookies.get(cookie_name(SESSION_COOKIE))
        g.session = session.find_session(g.session_id, clock.now())
    return cast(Session | None, g.session)


def ensure_session() -> Session:
    """Return the session of this browser, opening an anonymous one if it has none."""
    known = current_session()
    return known if known is not None else _hold(*session.open_session(clock.now()))


def change_session(fn: Callable[[Session], Session]) -> Session:
    """Replace this browser's session by ``fn`` of it; raises `PageError` when it ended meanwhile."""
    ensure_session()
    changed = session.change_session(g.session_id, fn)
    if changed is None:
        raise PageError("expired", 400, "session ended during the request")
    g.session = changed
    return changed


def renew_session() -> Session:
    """Give this browser's session a new id; raises `PageError` when a rival request did so first."""
    ensure_session()
    renewed = session.renew_session(g.session_id, clock.now())
    if renewed is None:
        raise PageError("expired", 400, "session ended during the request")
    return _hold(*renewed)


def sign_in_session(
    *, account_id: str, proofs: tuple[Proof, ...], acr: str, amr: tuple[str, ...], now: datetime, device_label: str = ""
) -> Session:
    """Raise this browser to a complete sign-in under a new id; the caller commits."""
    known = current_session()
    g.risen_from, g.rises_to = (g.session_id, known), account_id
    return _hold(
        *session.sign_in_session(
            g.session_id, account_id=account_id, proofs=proofs, acr=acr, amr=amr, device_label=device_label, now=now
        )
    )


def undo_sign_in() -> None:
    """Take back what `sign_in_session` did in this request, because the rest of it failed."""
    g.pop("new_device_cookie", None)
    if "risen_from" in g and session.undo_sign_in(g.session_id, before=g.risen_from, account_id=g.rises_to):
        _hold(*g.pop("risen_from"))


def end_current_session() -> Session | None:
    """End this browser's session and take its cookie back; the caller commits."""
    if current_session() is None:
        return None
    ended = session.end_session(g.session_id, clock.now())
    g.session = None
    g.session_id = None
    g.new_session_id = ""
    return ended


def _hold(cookie: str, held: Session) -> Session:
    g.session_id = g.new_session_id = cookie
    g.session = held
    return held


def cookie_name(name: str) -> str:
    """Return the cookie's full name: `__Host-` wherever the issuer is https (R19)."""
    return f"__Host-{name}" if settings.has_tls else name


def device_cookie() -> str | None:
    """Return this browser's recognised-device cookie, if it has one of a sane size."""
    value = request.cookies.get(cookie_name(DEVICE_COOKIE))
    return value if value and len(value) <= 500 else None


def set_device_cookie(value: str) -> None:
    """Give this browser its recognised-device cookie."""
    g.new_device_cookie = value


def csrf_token(scope: str) -> str:
    """Return the token that a form of ``scope`` must carry."""
    return csrf.token_of(current_session(), scope)


def check_csrf(scope: str) -> None:
    """Raise `StaleForm` unless this POST came from our own page of ``scope``."""
    csrf.check_token(current_session(), scope)


def client_address() -> str:
    """Return the peer's address in the unit in which addresses are throttled."""
    return address_unit(request.remote_addr)


@lru_cache(maxsize=4096)
def address_unit(remote: str | None) -> str:
    """Return the IPv4 address or IPv6 /64 of ``remote``; ``unknown`` if odd."""
    try:
        address = ip_address((remote or "").split("%")[0])
    except ValueError:
        return "unknown"
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


def peer_address() -> str:
    """Return the address that the connection really comes from, whatever `X-Forwarded-For` says."""
    return real_peer(request.environ)


def real_peer(environ: Mapping[str, Any]) -> str:
    """Return the address that a WSGI request really comes from."""
    before = environ.get("werkzeug.proxy_fix.orig", {}).get("REMOTE_ADDR")
    return str(before or environ.get("REMOTE_ADDR") or "")


# -- pages ---------------------------------------------------------------------------------------------------------


def reference() -> str:
    """Return the spoken reference of this request, the interaction's once that is known."""
    if "reference" not in g:
        g.reference = entropy.reference()
    return str(g.reference)


def show_interaction(spoken: str, service: str, form_target: str | None, about: Mapping[str, str | None]) -> None:
    """Let this request's pages show an interaction: its reference, its service, and where its forms may lead.

    ``about`` holds what the service says of itself: `logo`, `policy`, `terms`.
    """
    g.reference = spoken
    g.service = service
    g.about = about
    if form_target:
        allow_form_target(form_target)


def page(template: str, status: int = 200, **context: Any) -> Response:
    """Render a page with the common context."""
    return make_response(render_template(template, **context), status)


def _common_context() -> dict[str, Any]:
    return {
        "reference": reference(),
        "nonce": nonce(),
        "locale": i18n.current_locale(),
        "locales": list(i18n.languages()),
        "direction": "rtl" if i18n.current_locale() in i18n.RIGHT_TO_LEFT else "ltr",
        "site_name": settings.site_name,
        "site_address": settings.site_address,
        "service": g.get("service"),
        "about": g.get("about", {"logo": None, "policy": None, "terms": None}),
        "banner": operations.current_banner(clock.now()),
        "csrf": csrf_token,
        "static_url": lambda name: url_for("static", filename=name),
    }


def _begin() -> None:
    g.started = time.perf_counter()
    # Health and files are answered whatever ails the database.
    if request.endpoint not in _WITHOUT_DATABASE:
        now = clock.now()
        operations.refresh(now)
        figures.tick(now)


def _finish(response: Response) -> Response:
    """Write the audit events, then the cookies, then one line of log."""
    # What failed half-way signs nobody in; but a browser whose session has another id by now is told so, or it could
    # not go on with what it had.
    has_cookies = response.status_code < 500 or "risen_from" not in g
    try:
        audit.flush()
    except (DBAPIError, PoolTimeout) as fault:
        # An act that leaves no trace does not happen: no cookie, no answer but that.
        log.error("audit-unwritable", exc_info=fault)
        response, has_cookies = complete(_store_down(fault)), False
    if has_cookies:
        _set_cookies(response)
    route = request.url_rule.rule if request.url_rule else "-"
    note_request(request.method, route, response.status_code, g.get("started"))
    return response


def note_request(method: str, route: str, status: int, started: float | None) -> None:
    """Measure one request, which began at ``started`` if it came that far, and write its line of log."""
    took = 0.0 if started is None else time.perf_counter() - started
    _timer(route, status).observe(took)
    if "tracing" in ours():
        tracing.name_request(method, route)
    if logs.tells(logging.INFO):
        log.info(
            "request", method=method, route=route, status=status, ms=round(took * 1000, 1), reference=g.get("reference")
        )


@lru_cache(maxsize=1024)
def _timer(route: str, status: int) -> Any:
    return metrics.HTTP.labels(route, str(status))


def _set_cookies(response: Response) -> None:
    if "new_session_id" in g:
        _set_cookie(response, SESSION_COOKIE, g.new_session_id, None if g.new_session_id else timedelta())
    if "new_device_cookie" in g:
        _set_cookie(response, DEVICE_COOKIE, g.new_device_cookie, settings.lifetimes.known_device)
    language = i18n.current_locale()
    chosen = "ui_locales" in request.args and response.mimetype == "text/html"
    if chosen and request.cookies.get(cookie_name(i18n.LANGUAGE_COOKIE)) != language:
        _set_cookie(response, i18n.LANGUAGE_COOKIE, language, timedelta(days=365))


def _set_cookie(response: Response, name: str, value: str, max_age: timedelta | None) -> None:
    response.set_cookie(
        cookie_name(name), value, max_age, secure=settings.has_tls, httponly=True, samesite="Lax", path="/"
    )


# -- errors --------------------------------------------------------------------------------------------------------


def _page_error(fault: PageError) -> Response:
    db.session.rollback()
    metrics.ERRORS.labels(fault.kind).inc()
    log.info("page-error", kind=fault.kind, status=fault.status, detail=fault.detail, reference=reference())
    response = page(
        f"errors/{fault.kind}.html", fault.status, **{"code": fault.kind, "restart_url": None, **fault.context}
    )
    if fault.status in {429, 503}:
        # Varied, or all who were refused together come back together (RC-33).
        response.headers.setdefault("Retry-After", str(entropy.jittered(30)))
    return response


def _stale_form(fault: StaleForm) -> Response:
    return _page_error(PageError("stale_form", 403, str(fault), restart_url=request.path))


def _http_error(fault: HTTPException) -> Response:
    status = fault.code or 500
    if status < 400:
        return cast(Response, fault.get_response())
    if _for_machines():
        answer = _machine_error(status)
    else:
        answer = _page_error(PageError(_PAGES.get(status, "bad_request"), status, fault.name))
    if status == 405 and fault.get_response().headers.get("Allow"):
        answer.headers["Allow"] = fault.get_response().headers["Allow"]
    return answer


def _store_down(fault: Exception) -> Response:
    """Answer 503 when a store is down: nobody gets in by it."""
    db.session.rollback()
    log.error("store-down", error_type=type(fault).__name__, reference=reference())
    if _for_machines():
        return _machine_error(503)
    g.session = None
    return _page_error(PageError("unavailable", 503, type(fault).__name__))


def _unexpected(fault: Exception) -> Response:
    db.session.rollback()
    log.error("unexpected", exc_info=fault, reference=reference())
    if _for_machines():
        return _machine_error(500)
    g.setdefault("session", None)
    return _page_error(PageError("server", 500, type(fault).__name__))


def _for_machines() -> bool:
    machine_paths = current_app.extensions["sesame"].get("machine_paths", frozenset())
    # `/register/<client_id>` stands for everything below its folder.
    return (
        "/".join(request.path.split("/")[:2]) in machine_paths
        or request.path in machine_paths
        or request.path.startswith(("/healthz/", "/admin/api/"))
    )


def _machine_error(status: int) -> Response:
    word = {503: "temporarily_unavailable"}.get(status, "server_error" if status >= 500 else "invalid_request")
    response = make_response({"error": word}, status)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response

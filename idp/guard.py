"""What every request must satisfy and every answer carries: host, transport, size, encoding, security headers."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from flask import Flask, Response, g, redirect, request
from werkzeug.exceptions import BadRequest, MisdirectedRequest, RequestURITooLarge
from werkzeug.wrappers import Response as BaseResponse

from idp import entropy
from idp.settings import settings

_LONGEST_URL = 32 * 1024
MAX_BODY = 64 * 1024
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), "
    "publickey-credentials-create=(self), publickey-credentials-get=(self), otp-credentials=(self)",
}
_HSTS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
_EVERYWHERE = {
    has_tls: {**_FIXED, "Cache-Control": "no-store", **(_HSTS if has_tls else {})} for has_tls in (True, False)
}
_FOR_MACHINES = {
    has_tls: {**headers, "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
    for has_tls, headers in _EVERYWHERE.items()
}


def init_guard(app: Flask) -> None:
    """Check each request before any view, and complete each answer after it."""
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY, MAX_FORM_PARTS=200)
    app.before_request(_check_request)
    app.after_request(complete)


def nonce() -> str:
    """Return this answer's nonce for its scripts."""
    if "nonce" not in g:
        g.nonce = entropy.identifier()
    return str(g.nonce)


def allow_form_target(url: str) -> None:
    """Let this page's forms lead on to where ``url`` is.

    Chromium applies `form-action` to every redirect that follows a form, and so to what the relying party does next:
    only the scheme can be named, or a service that answers on one host and goes on to another would be cut off.
    """
    g.form_target = f"{urlsplit(url).scheme}:"


def allow_frames(origins: Iterable[str]) -> None:
    """Let this page hold frames of these origins, and of no other."""
    g.frame_origins = " ".join(dict.fromkeys(origins))


def _check_request() -> BaseResponse | None:
    if request.method not in _METHODS:
        return Response(status=405, headers={"Allow": "GET, HEAD, POST, OPTIONS"})
    if len(request.full_path) > _LONGEST_URL:
        raise RequestURITooLarge
    if not _is_text(request.environ.get("QUERY_STRING", "")) or not _is_text(request.path):
        raise BadRequest("badly encoded")
    if request.path.startswith("/healthz/"):
        return None
    # Our own links and documents use the issuer only; a foreign Host is somebody's trick (AC-155).
    if request.host not in settings.hosts:
        raise MisdirectedRequest
    if settings.has_tls and not request.is_secure:
        if request.method in {"GET", "HEAD"}:
            return redirect(settings.issuer + request.full_path.rstrip("?"), 301)
        raise BadRequest("plain http")
    return None


def _is_text(raw: str) -> bool:
    """Tell whether percent-encoded ``raw`` is UTF-8 without NUL (AC-212)."""
    data = unquote_to_bytes(raw.encode("latin-1", "replace") if "%" in raw else raw.encode("utf-8", "replace"))
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def headers_for_machines(has_tls: bool) -> Mapping[str, str]:
    """Return what every answer carries that is no page."""
    return _FOR_MACHINES[has_tls]


def headers_for_pages(has_tls: bool, policy: str | None = None) -> Mapping[str, str]:
    """Return what every page carries, and what is sent in place of one; its policy unless it needs none of its own."""
    return {
        **_EVERYWHERE[has_tls],
        "Content-Security-Policy": _policy({}) if policy is None else policy,
        "Vary": "Cookie, Accept-Language",
    }


def complete(response: Response) -> Response:
    """Give an answer the headers that every answer of its kind carries."""
    is_page, has_tls = response.mimetype == "text/html", settings.has_tls
    headers = headers_for_pages(has_tls, _policy(g)) if is_page else headers_for_machines(has_tls)
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response


def _policy(wanted: Any) -> str:
    script = f"'nonce-{wanted.get('nonce')}'" if "nonce" in wanted else "'none'"
    target = f" {wanted.get('form_target')}" if "form_target" in wanted else ""
    frames = f"frame-src {wanted.get('frame_origins')}; " if wanted.get("frame_origins") else ""
    return (
        f"default-src 'none'; script-src {script}; style-src 'self'; img-src 'self'; connect-src 'self'; {frames}"
        f"form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'"
    )

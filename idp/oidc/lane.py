"""A short way for protocol requests, in front of Flask (R21): the same table, functions, headers, metrics and log.

Only the plain case goes this way: a path of `ENDPOINTS`, a method that it answers, our host, no query, a form of known
length. Whatever is odd about a request, and whatever goes wrong in an unforeseen way, is Flask's to answer, so that
there is one place for it. `tests/oidc/test_lane.py` compares the two, and the suite runs once through each.
"""

import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from flask import Flask, g
from flask.ctx import AppContext
from flask.globals import _cv_app
from werkzeug.http import HTTP_STATUS_CODES

from idp import audit
from idp.db import db
from idp.guard import MAX_BODY, headers_for_machines
from idp.oidc.certificates import certificate_header
from idp.oidc.endpoints import ENDPOINTS, FOR_SCRIPTS, FORM, Endpoint, answer_request, read_form
from idp.oidc.protocol import Document, ProtocolRequest, ProtocolResponse
from idp.settings import Settings
from idp.web import address_unit, note_request, real_peer

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]
_STATUS = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}
# RFC 9110 §15.4.5: what describes a body does not come with an answer that has none.
_OF_A_BODY = frozenset({"Content-Type", "Content-Length"})


def init_lane(app: Flask) -> None:
    """Put the lane in front of ``app``."""
    app.wsgi_app = Lane(app)  # type: ignore[method-assign]


class Lane:
    """The WSGI application that answers what is plain and passes on the rest."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.behind: Wsgi = app.wsgi_app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        endpoint = ENDPOINTS.get(environ["PATH_INFO"])
        ours: Settings = self._app.extensions["sesame"]["settings"]
        if endpoint is None or not _is_plain(environ, endpoint, ours):
            return self.behind(environ, start_response)
        started = time.perf_counter()
        body = _read_body(environ) if environ["REQUEST_METHOD"] == "POST" else b""
        if body is None:
            return self.behind(environ, start_response)
        around = _cv_app.get(None)
        if around is not None and around.app is self._app:
            # As Flask does: one context of this application is enough, and another application's is none.
            return self._answer(endpoint, environ, body, ours, start_response, started)
        with Context(self._app):
            return self._answer(endpoint, environ, body, ours, start_response, started)

    def _answer(
        self, endpoint: Endpoint, environ: Environ, body: bytes, ours: Settings, start_response: StartResponse,
        started: float,
    ) -> Iterable[bytes]:  # fmt: skip
        path = environ["PATH_INFO"]
        try:
            if endpoint.document is not None and "HTTP_IF_NONE_MATCH" not in environ:
                document = endpoint.document(address_unit(environ.get("REMOTE_ADDR")))
                note_request(environ["REQUEST_METHOD"], path, 200, started)
                start_response(_STATUS[200], [*_published(document, endpoint.for_scripts, ours.has_tls)])
                return (document.body,)
            answer = answer_request(endpoint, path, lambda: _as_request(environ, body, ours))
            audit.flush()
        except Exception as fault:  # noqa: BLE001 - nothing is swallowed: Flask's handlers answer, as they would
            with self._app.request_context(environ):
                g.started = started
                response = self._app.finalize_request(self._app.handle_user_exception(fault))
                return response(environ, start_response)
        note_request(environ["REQUEST_METHOD"], path, answer.status, started)
        start_response(_STATUS[answer.status], _headers(answer, ours.has_tls))
        return (answer.body,)


class Context(AppContext):
    """Flask's context of an application without its ceremony: nobody asks for its signals and routes here."""

    def __init__(self, app: Flask) -> None:
        self.app, self.url_adapter, self.g, self._cv_tokens = app, None, app.app_ctx_globals_class(), []

    def __enter__(self) -> "Context":
        self._cv_tokens.append(_cv_app.set(self))
        return self

    def __exit__(self, *_fault: object) -> None:
        """Give the database back what the request had of it: all that our applications do at the end of a context."""
        try:
            if db.session.registry.has():
                db.session.remove()
        finally:
            _cv_app.reset(self._cv_tokens.pop())


class Headers(Mapping[str, str]):
    """The header fields of a WSGI request by their names in lower case, looked up when asked for."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        return cast(str, self._environ[_variable(name)])

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field, or ``default``; the inherited way raises and catches."""
        return self._environ.get(_variable(name), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _variable(name) in self._environ

    def __iter__(self) -> Iterator[str]:
        return (name[5:].replace("_", "-").lower() for name in self._environ if name.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=256)
def _variable(name: str) -> str:
    variable = name.upper().replace("-", "_")
    return variable if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{variable}"


def _is_plain(environ: Environ, endpoint: Endpoint, ours: Settings) -> bool:
    """Tell whether a request is one of those that are all alike; `guard.py` and `endpoints.py` judge the others."""
    method = environ["REQUEST_METHOD"]
    if (
        method not in endpoint.methods
        or endpoint.takes != "form"
        or environ.get("QUERY_STRING")
        or environ.get("SCRIPT_NAME")
        or environ.get("HTTP_HOST") not in ours.hosts
        or (environ["wsgi.url_scheme"] != "https" and ours.has_tls)
        or "," in environ.get("HTTP_AUTHORIZATION", "")
    ):
        return False
    if method != "POST":
        return True
    length = environ.get("CONTENT_LENGTH", "")
    return (
        environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() == FORM
        # Five digits at most, so that int() is cheap and cannot fail.
        and 0 < len(length) <= 5
        and length.isascii()
        and length.isdigit()
        and int(length) <= MAX_BODY
        and "HTTP_TRANSFER_ENCODING" not in environ
        and "HTTP_CONTENT_ENCODING" not in environ
    )


def _read_body(environ: Environ) -> bytes | None:
    """Return the whole body; ``None`` if it ends too early, what there was of it being put back."""
    length = int(environ["CONTENT_LENGTH"])
    body: bytes = environ["wsgi.input"].read(length)
    if len(body) == length:
        return body
    environ["wsgi.input"] = io.BytesIO(body)
    return None


def _as_request(environ: Environ, body: bytes, ours: Settings) -> ProtocolRequest:
    headers = Headers(environ)
    form, many = read_form(body) if body else ({}, {})
    return ProtocolRequest(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        headers=headers,
        form=form,
        many=many,
        address=address_unit(environ.get("REMOTE_ADDR")),
        client_certificate=(
            certificate_header(headers, peer=real_peer(environ), mtls=ours.mtls) if ours.mtls.header else None
        ),
    )


@lru_cache(maxsize=32)
def _published(document: Document, for_scripts: bool, has_tls: bool) -> list[tuple[str, str]]:
    headers = {**document.headers, **FOR_SCRIPTS} if for_scripts else document.headers
    return _headers(ProtocolResponse(200, document.body, headers), has_tls)


def _headers(answer: ProtocolResponse, has_tls: bool) -> list[tuple[str, str]]:
    headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
    headers += _missing(tuple(answer.headers), has_tls)
    if answer.status == 304:
        return [line for line in headers if line[0] not in _OF_A_BODY]
    return headers


@lru_cache(maxsize=256)
def _missing(names: tuple[str, ...], has_tls: bool) -> list[tuple[str, str]]:
    """Return what every answer carries and this one does not yet."""
    return [line for line in headers_for_machines(has_tls).items() if line[0] not in names]

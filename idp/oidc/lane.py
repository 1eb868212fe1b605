"""A short way for plain requests, in front of Flask (R21): the same table, functions, headers, metrics and log.

Only the plain case goes this way: a path of `ENDPOINTS`, a method that it answers, our host, no query, a form of known
length; and a visitor who is sent back at once (`authorize_at_once.py`). Whatever is odd about a request, and whatever
goes wrong in an unforeseen way, is Flask's to answer, so that there is one place for it. `tests/oidc/test_lane.py`
compares the two, and the suite runs once through each.
"""

import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from flask import Flask, g
from werkzeug.http import HTTP_STATUS_CODES

from idp import audit, clock, figures, operations
from idp.guard import headers_for_machines, headers_for_pages
from idp.light_context import light_context
from idp.oidc.authorize_at_once import authorize_at_once, may_be_at_once
from idp.oidc.endpoints import ENDPOINTS, FOR_SCRIPTS, answer_request
from idp.oidc.protocol import Document, ProtocolResponse
from idp.oidc.wsgi_request import Environ, as_request, is_at_our_door, is_plain, read_body
from idp.settings import Settings
from idp.web import address_unit, note_request

StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]
Line = tuple[str, str]
# Status, header lines, body.
Answer = tuple[int, list[Line], bytes]
_STATUS = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}
# RFC 9110 §15.4.5: what describes a body does not come with an answer that has none.
_OF_A_BODY = frozenset({"Content-Type", "Content-Length"})
_DOCUMENTS = {path: endpoint.document for path, endpoint in ENDPOINTS.items() if endpoint.document is not None}


def init_lane(app: Flask) -> None:
    """Put the lane in front of ``app``."""
    app.wsgi_app = Lane(app)  # type: ignore[method-assign]


class Lane:
    """The WSGI application that answers what is plain and passes on the rest."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.behind: Wsgi = app.wsgi_app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        ours: Settings = self._app.extensions["sesame"]["settings"]
        find = _find_way(environ, ours)
        if find is None:
            return self.behind(environ, start_response)
        with light_context(self._app):
            try:
                answer = find(environ, ours)
                audit.flush()
            except Exception as fault:  # noqa: BLE001 - nothing is swallowed: Flask's handlers answer, as they would
                with self._app.request_context(environ):
                    g.started = started
                    response = self._app.finalize_request(self._app.handle_user_exception(fault))
                    return response(environ, start_response)
            if answer is not None:
                status, lines, body = answer
                note_request(environ["REQUEST_METHOD"], environ["PATH_INFO"], status, started)
                start_response(_STATUS[status], lines)
                return (body,)
        return self.behind(environ, start_response)


def _find_way(environ: Environ, ours: Settings) -> Callable[[Environ, Settings], Answer | None] | None:
    """Return what may answer a request here, if it is plain; that returns ``None`` where Flask has to after all."""
    path = environ["PATH_INFO"]
    endpoint = ENDPOINTS.get(path)
    if endpoint is None:
        is_visit = path == "/authorize" and may_be_at_once(environ) and is_at_our_door(environ, ours)
        return _answer_visitor if is_visit else None
    if not is_at_our_door(environ, ours) or not is_plain(environ, endpoint):
        return None
    if path in _DOCUMENTS and "HTTP_IF_NONE_MATCH" not in environ:
        return _publish
    return _answer_client


def _publish(environ: Environ, ours: Settings) -> Answer:
    """Send a document with the lines that were put together when it was made."""
    path = environ["PATH_INFO"]
    document = _DOCUMENTS[path](address_unit(environ.get("REMOTE_ADDR")))
    return 200, [*_published(document, ENDPOINTS[path].for_scripts, ours.has_tls)], document.body


def _answer_client(environ: Environ, ours: Settings) -> Answer | None:
    """Call the function of an endpoint; ``None`` when the body ends too early."""
    path = environ["PATH_INFO"]
    body = read_body(environ) if environ["REQUEST_METHOD"] == "POST" else b""
    if body is None:
        return None
    answer = answer_request(ENDPOINTS[path], path, lambda: as_request(environ, body, ours))
    return answer.status, _headers(answer, ours.has_tls), answer.body


def _answer_visitor(environ: Environ, ours: Settings) -> Answer | None:
    """Send a visitor back who has nothing left to do here; ``None`` for every other."""
    now = clock.now()
    operations.refresh(now)
    figures.tick(now)
    answer = authorize_at_once(environ, now)
    if answer is None:
        return None
    lines = [*answer.headers.items(), *_missing(tuple(answer.headers), ours.has_tls, is_page=True)]
    return answer.status, [*lines, ("Content-Length", "0")], answer.body


@lru_cache(maxsize=32)
def _published(document: Document, for_scripts: bool, has_tls: bool) -> list[Line]:
    headers = {**document.headers, **FOR_SCRIPTS} if for_scripts else document.headers
    return _headers(ProtocolResponse(200, document.body, headers), has_tls)


def _headers(answer: ProtocolResponse, has_tls: bool) -> list[Line]:
    headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
    headers += _missing(tuple(answer.headers), has_tls, is_page=False)
    if answer.status == 304:
        return [line for line in headers if line[0] not in _OF_A_BODY]
    return headers


@lru_cache(maxsize=256)
def _missing(names: tuple[str, ...], has_tls: bool, *, is_page: bool) -> list[Line]:
    """Return what every answer carries and this one does not yet."""
    headers = headers_for_pages(has_tls) if is_page else headers_for_machines(has_tls)
    return [line for line in headers.items() if line[0] not in names]

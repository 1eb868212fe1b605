"""The whole sign-in of a person in a browser that nobody knows: authorization request, forms, mailed code, and back.

The same walk for every provider: redirects are followed, cookies kept, the hidden fields of a form sent back. What
differs is which fields are filled in (`Target.forms`). Style sheets and scripts are not fetched.
"""

import re
import time
from collections.abc import Mapping
from html import unescape
from typing import Any
from urllib.parse import urlencode, urljoin

from bench.flows import Target
from bench.load import Elsewhere, Flow, Tally

_FORM = re.compile(rb"<form\b.*?</form>", re.S)
_ACTION = re.compile(r'<form\b[^>]*\baction="([^"]*)"')
_FIELD = re.compile(r"<(?:input|textarea)\b[^>]*>")
_HEADER = re.compile(rb"\r\n(set-cookie|location): *([^\r]*)", re.I)
_HOPS = 12
SIGN_IN = "whole sign-in, mailed code"


class Lost(Exception):
    """The walk does not go where it should; the answer says where it ended."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer[:600])
        self.answer = answer


class Browser:
    """Cookies, and where the browser is."""

    def __init__(self, target: Target) -> None:
        self._target, self._cookies = target, dict[str, str]()
        self._origin = f"http://localhost:{target.port}"
        self._at = ""

    def open(self, path: str, form: Mapping[str, str] | None = None) -> Flow:
        """Get a page, or post a form; follow redirects within the provider. Returns the last answer."""
        request, self._at = self._request(path, form or {}), path
        for _ in range(_HOPS):
            answer = yield request
            location = self._read(answer)
            if not location or not location.startswith(self._origin):
                return answer
            self._at = location.removeprefix(self._origin) or "/"
            request = self._request(self._at, {})
        raise Lost(answer)

    def submit(self, answer: bytes, fields: Mapping[str, str]) -> Flow:
        """Post the form of a page that has all of these fields. Raises `Lost` when there is none."""
        for found in _FORM.findall(answer):
            form = found.decode(errors="replace")
            inputs = _FIELD.findall(form)
            if fields.keys() <= {_attribute(one, "name") for one in inputs}:
                hidden = {_attribute(one, "name"): _attribute(one, "value") for one in inputs if 'type="hidden"' in one}
                action = _ACTION.search(form)
                where = urljoin(f"{self._origin}{self._at}", unescape(action[1]) if action else "")
                return (yield from self.open(where.removeprefix(self._origin), {**hidden, **fields}))
        raise Lost(answer)

    def _request(self, path: str, form: Mapping[str, str]) -> bytes:
        headers = f"Cookie: {'; '.join(f'{n}={v}' for n, v in self._cookies.items())}\r\n" if self._cookies else ""
        if not form:
            return self._target.get(path, f"Accept: text/html\r\n{headers}")
        body = urlencode(form)
        return (
            f"POST {path} HTTP/1.1\r\nHost: localhost:{self._target.port}\r\nAccept: text/html\r\n{headers}"
            f"Origin: {self._origin}\r\nSec-Fetch-Site: same-origin\r\nReferer: {self._origin}{self._at}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _read(self, answer: bytes) -> str:
        """Keep the cookies of an answer; return where it leads."""
        location = ""
        for name, raw in _HEADER.findall(answer, 0, answer.find(b"\r\n\r\n") + 2):
            value = raw.decode("latin-1")
            if name.lower() == b"location":
                location = urljoin(f"{self._origin}{self._at}", value)
                continue
            cookie, _, rest = value.partition("=")
            self._cookies[cookie] = rest.partition(";")[0]
            if re.search(r"max-age=0\b|expires=thu, 01[ -]jan[ -]1970", rest, re.I):
                del self._cookies[cookie]
        return location if answer[9:10] == b"3" else ""


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else ""


def sign_in(target: Target, user: int, prepared: Any, tally: Tally) -> Flow:
    """Sign in one person after the other, each in a browser of their own; the end is an authorization code."""
    person = target.first_person + user * target.people_each
    last = person + max(1, target.people_each - 1)
    while tally.goes_on() and person < last:
        since = time.perf_counter()
        try:
            answer = yield from _walk(target, Browser(target), person)
            tally.add(since, target.code_in(answer) is not None, answer)
        except Lost as lost:
            tally.add(since, False, lost.answer)
        person += 1


def wait_for_mails(target: Target, user: int, prepared: Any) -> Flow:
    """Prepare by one sign-in, by the last person of each visitor, so that whoever sends mails has started."""
    if target.people_each > 1:
        last = target.first_person + (user + 1) * target.people_each - 1
        yield from _walk(target, Browser(target), last)


def _walk(target: Target, browser: Browser, person: int) -> Flow:
    answer = yield from browser.open(target.authorize_path())
    for form in target.forms:
        known = {"person": target.login_of(person)}
        if "{code}" in form.values():
            mail = yield Elsewhere(target.postbox, f"GET /{target.email_of(person)} HTTP/1.1\r\n\r\n".encode())
            known["code"] = mail.partition(b"\r\n\r\n")[2].decode()
        fields = {name: value.format(**known) for name, value in form.items()}
        answer = yield from browser.submit(answer, fields)
    return answer

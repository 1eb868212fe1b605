"""A person without a screen: reads the same pages and fills in the same forms as in a browser, in a tenth of the time.

What a page looks like and what its scripts do is seen by `visitor.py`; this is for tests of what relying parties get.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

from tests.e2e.demonstration import Demonstration, code_in
from tests.e2e.visitor import NIR, PASSWORD

_MOST_STEPS = 30


@dataclass(frozen=True)
class Arrival:
    """What comes to another site: an address, and the fields that were posted to it."""

    url: str
    form: dict[str, str] | None = None


@dataclass
class Form:
    """A form of a page, with what its fields hold; buttons are left to whoever presses them."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(found.get("action", ""), found.get("method", "get")))
        elif tag == "input" and self.forms and "name" in found:
            is_left_out = found.get("type") in {"radio", "checkbox"} and "checked" not in found
            if not is_left_out:
                self.forms[-1].fields[found["name"]] = found.get("value", "")


class Person:
    """Somebody with a browser profile of their own; signed in once, they stay so."""

    def __init__(self, demonstration: Demonstration) -> None:
        self.demonstration = demonstration
        self.filled_in: list[str] = []
        self.session = requests.Session()
        self.session.trust_env = False
        self._before, self._shown = 0, ""

    def visit(self, address: str) -> Arrival:
        """Open an address, do what the pages ask for, and return what leaves the provider again."""
        return self._walk(self._open("GET", address))

    def connect(self, device: dict[str, str]) -> None:
        """Type the code that a device shows, and let the device in (RFC 8628 §3.3)."""
        self.filled_in, self._shown = [], device["user_code"]
        answer = self._open("GET", device["verification_uri"])
        while "confirm" not in self.filled_in:
            assert isinstance(answer, requests.Response), f"left for {answer}"
            answer = self._fill_in(answer)

    def _walk(self, answer: "requests.Response | Arrival") -> Arrival:
        self.filled_in = []
        for _ in range(_MOST_STEPS):
            if isinstance(answer, Arrival):
                return answer
            answer = self._fill_in(answer)
        raise AssertionError(f"no end of pages: {self.filled_in}")

    def _fill_in(self, page: requests.Response) -> "requests.Response | Arrival":
        forms = {_step_of(form): form for form in forms_of(page.text)}
        for step, type_in in _STEPS.items():
            if step in forms and (step != "send" or "code" not in forms):
                self.filled_in.append(step)
                return self._send(page, forms[step], type_in(self))
        # A page that posts itself to the relying party (OAuth 2.0 Form Post Response Mode).
        for form in forms.values():
            if not self._is_ours(urljoin(page.url, form.action)):
                return Arrival(form.action, form.fields)
        raise AssertionError(f"{page.status_code} at {page.url}, with nothing to fill in:\n{page.text[:2000]}")

    def _send(self, page: requests.Response, form: Form, typed: dict[str, str]) -> "requests.Response | Arrival":
        return self._open("POST", urljoin(page.url, form.action), {**form.fields, **typed})

    def _open(self, method: str, address: str, form: dict[str, str] | None = None) -> "requests.Response | Arrival":
        for _ in range(_MOST_STEPS):
            if not self._is_ours(address):
                return Arrival(address)
            answer = self.session.request(method, address, data=form, allow_redirects=False, timeout=15)
            if not answer.is_redirect:
                return answer
            address, method, form = urljoin(address, answer.headers["Location"]), "GET", None
        raise AssertionError(f"redirects without end, last to {address}")

    def _is_ours(self, address: str) -> bool:
        return address.startswith(self.demonstration.addresses.provider + "/")

    def _identify(self) -> dict[str, str]:
        return {"nir": NIR, "password": PASSWORD}

    def _choose(self) -> dict[str, str]:
        self._before = self.demonstration.newest()
        return {"channel": "email"}

    def _read_code(self) -> dict[str, str]:
        return {"code": code_in(self.demonstration.wait_for_message(after=self._before, channel="email"))}

    def _agree(self) -> dict[str, str]:
        return {"decision": "allow"}

    def _type_user_code(self) -> dict[str, str]:
        return {"user_code": self._shown}

    def _let_in(self) -> dict[str, str]:
        return {"origin": "seen", "decision": "allow"}


# What the person does on a page with a form whose address ends so.
_STEPS: dict[str, Callable[[Person], dict[str, str]]] = {
    "identify": Person._identify,
    "code": Person._read_code,
    "send": Person._choose,
    "consent": Person._agree,
    "device": Person._type_user_code,
    "confirm": Person._let_in,
}


def _step_of(form: Form) -> str:
    # The one address that names what is decided before the interaction, not after it.
    return "confirm" if form.action.startswith("/device/confirm/") else form.action.rsplit("/", 1)[-1]


def forms_of(html: str) -> list[Form]:
    """Return the forms of a page, read as a browser reads HTML."""
    parser = _Forms()
    parser.feed(html)
    return parser.forms

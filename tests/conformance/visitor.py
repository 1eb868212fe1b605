"""The person at the browser: walks through whatever pages come, as the suite's scripted browser does."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from flask import Flask

from idp import clock
from idp.db import db
from idp.messages import outbox
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, ISSUER, Browser

_MOST_STEPS = 40


@dataclass
class Form:
    """A form of a page, with what its fields hold."""

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
            self.forms.append(Form(found.get("action", ""), found.get("method", "get").lower()))
        elif tag == "input" and self.forms and "name" in found:
            self.forms[-1].fields[found["name"]] = found.get("value", "")


def forms_of(html: str) -> list[Form]:
    """Return the forms of a page, read as a browser reads HTML."""
    parser = _Forms()
    parser.feed(html)
    return parser.forms


class Visitor:
    """One person at one browser; ``seen`` names the forms that were filled in on the last way."""

    def __init__(self, app: Flask, browser: Browser) -> None:
        self.app = app
        self.browser = browser
        self.seen: list[str] = []

    def walk(self, answer: Any, *, cancel: bool = False) -> Any:
        """Go on from ``answer`` to what leads back to the relying party, or to a page with nothing to fill in."""
        self.seen = []
        for _ in range(_MOST_STEPS):
            answer = self.follow(answer)
            filled = self._fill_in(answer, cancel) if answer.status_code == 200 else None
            if filled is None:
                return answer
            answer = filled
        raise AssertionError(f"no end of pages: {self.seen}")

    def follow(self, answer: Any) -> Any:
        """Follow redirects on the provider's own origin."""
        while answer.status_code in {302, 303, 307} and _is_ours(answer.headers["Location"]):
            answer = self.browser.get(answer.headers["Location"].removeprefix(ISSUER))
        return answer

    def _fill_in(self, page: Any, cancel: bool) -> Any:
        """Fill in the first form that the person knows what to do with; ``None`` when there is none."""
        ours = {form.action.rsplit("/", 1)[-1]: form for form in forms_of(page.text) if _is_ours(form.action)}
        for step, answer in {
            **({"cancel": dict} if cancel else {}),
            "consent": lambda: {"decision": "allow"},
            "identify": lambda: {"nir": ALICE_NIR, "password": ALICE_PASSWORD},
            "code": lambda: {"code": self._mailed_code()} if "send" in self.seen else None,
            "send": lambda: {"channel": "email"},
        }.items():
            given = answer() if step in ours else None
            if given is not None:
                self.seen.append(step)
                return self.browser.submit(page.text, f"/{step}", **given)
        return None

    def _mailed_code(self) -> str:
        with self.app.app_context():
            mails = outbox.claim(channel="email", worker="test", limit=20, lease=timedelta(seconds=60), now=clock.now())
            db.session.commit()
        assert mails, "no code was mailed"
        # The newest comes first.
        code = re.search(r"\b(\d{3})\s?(\d{3})\b", mails[0].message.text)
        assert code, mails[0].message.text
        return code[1] + code[2]


def _is_ours(url: str) -> bool:
    return url.startswith("/") or url.startswith(f"{ISSUER}/")

"""The double that watches every test: what was secret in it must stand in no log line and in no audit event.

It knows what the test typed and was given (passwords, codes, NIR, tokens, addresses), because it sits in the browser of
the tests; and it knows shapes, for what it did not see. That the logs blot such things out by themselves is the second
net: a test in which that net caught something fails too, unless it is marked ``redacts``.
"""

import base64
import json
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from idp import logs

_SECRET = re.compile(r"nir|passw|secret|token|assertion|e_?mail|mobile|phone|verifier|code|otp|csrf|stop|device_", re.I)
_NO_SECRET = re.compile(r"_(type|hint|method|alg|enc|uri|endpoint|types|methods|challenge|supported)$|^expires", re.I)
_SHORTEST = 6
# Six digits that stand alone in a text, as codes do.
_CODE = re.compile(r"(?<![\w.:+-])\d{3}[ \u00a0]?\d{3}(?![\w.:-])")
_BLOTS = ("[redacted]", "[nir]", "[e-mail]", "[phone]", "[jwt]")


class Witness(logging.Handler):
    """What one test typed, was given and wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, str] = {}
        self.lines: list[dict[str, Any]] = []
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Hear what libraries say."""
        self.records.append(record.getMessage())

    def sees_request(self, sent: Mapping[str, Any]) -> None:
        """Remember what is typed into forms and sent in headers."""
        for part in ("data", "json"):
            if isinstance(sent.get(part), Mapping):
                self._keep(sent[part], "typed")
        scheme, _, value = dict(sent.get("headers") or {}).get("Authorization", "").partition(" ")
        if scheme == "Basic":
            with suppress(ValueError):
                value = base64.b64decode(value + "==").decode("utf-8", "replace").partition(":")[2]
        self._add(value, "Authorization")

    def sees_answer(self, answer: Any) -> None:
        """Remember what is handed out."""
        if answer.mimetype == "application/json" and answer.status_code < 400 and not answer.is_streamed:
            found = answer.get_json(silent=True)
            if isinstance(found, Mapping):
                self._keep(found, "given")

    def leaks(self, events: Iterable[Mapping[str, Any]], *, may_redact: bool) -> list[str]:
        """Say what stands where it may not."""
        found: list[str] = []
        for where, things in (("log", self.lines), ("event", events), ("library", [{"": one} for one in self.records])):
            for thing in things:
                found += [f"{where} {thing}: {why}" for why in self._judge(thing, may_redact)]
        return found

    def _judge(self, thing: Mapping[str, Any], may_redact: bool) -> list[str]:
        text = json.dumps(thing, default=str, ensure_ascii=False)
        found = [what for secret, what in self.secrets.items() if _holds(text, secret)]
        values = [value for name, value in _leaves(thing) if name not in {"timestamp", "at"}]
        found += ["holds a six-digit code" for value in values if _CODE.search(value)]
        found += ["holds personal data" for value in values if logs.clean(value[:400]) != value[:400]]
        if not may_redact:
            found += [f"{blot} had to be blotted out" for blot in _BLOTS if blot in text]
        return found

    def _keep(self, values: Mapping[str, Any], how: str) -> None:
        for name, value in values.items():
            for one in value if isinstance(value, list | tuple) else (value,):
                if isinstance(one, Mapping):
                    self._keep(one, how)
                elif isinstance(one, str) and _SECRET.search(name) and not _NO_SECRET.search(name):
                    self._add(one, f"{how} as {name}")

    def _add(self, value: str, what: str) -> None:
        if len(value.strip()) >= _SHORTEST:
            self.secrets[value.strip()] = f"holds what was {what}"


def _holds(text: str, secret: str) -> bool:
    return secret in text and re.search(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", text) is not None


def _leaves(thing: Any, name: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from _leaves(value, str(key))
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from _leaves(value, name)
    elif isinstance(thing, str):
        yield name, thing

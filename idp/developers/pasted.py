"""What a developer pasted: an address, a form, or a `curl` command, read without carrying out anything."""

import base64
import re
import shlex
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote_plus, urlsplit

from werkzeug.datastructures import Headers

from idp.oidc.request import PARAMETERS

LONGEST = 32 * 1024
_TOKEN_PARAMETERS = frozenset(
    {"grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret", "refresh_token", "scope"}
)
_OF_TOKENS = frozenset({"grant_type", "client_secret", "code_verifier", "refresh_token"})
# Values that are no secret and say nothing about a person. Everything else is masked, what we do not know included.
_SHOWN = frozenset(
    {
        "client_id", "redirect_uri", "response_type", "response_mode", "scope", "code_challenge_method", "prompt",
        "max_age", "acr_values", "ui_locales", "claims_locales", "display", "grant_type", "resource",
        "client_assertion_type", "requested_token_type", "subject_token_type", "dpop_jkt",
    }
)  # fmt: skip
_NAME = re.compile(r"[a-z][a-z_]{1,39}")
_DATA = {"-d", "--data", "--data-raw", "--data-ascii", "--data-binary", "--data-urlencode"}
_HTTP = re.compile(r"(GET|POST|HEAD)\s+(\S+)(?:\s+HTTP/[\d.]+)?\s*")


class Unreadable(Exception):
    """The text is none of the forms that we read; the message says what to paste instead."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter as it may be shown: the value, or how long it was."""

    name: str
    value: str | None
    length: int
    is_known: bool


@dataclass(frozen=True, slots=True)
class Pasted:
    """A request as text: its address, its headers, and its parameters as one encoded form."""

    parameters: str = field(repr=False)
    headers: Headers = field(repr=False)
    query: str = field(default="", repr=False)
    path: str = ""

    @property
    def is_token_request(self) -> bool:
        """Whether it was meant for the token endpoint."""
        names = {name for name, _ in self.pairs()}
        return self.path.endswith("/token") or bool("response_type" not in names and names & _OF_TOKENS)

    def pairs(self) -> list[tuple[str, str]]:
        """Return every parameter in order."""
        return parse_qsl(self.parameters, keep_blank_values=True)

    def fields(self) -> list[Field]:
        """Return the parameters for showing; what may be a secret is only measured."""
        known = _TOKEN_PARAMETERS if self.is_token_request else frozenset(PARAMETERS)
        return [
            Field(name, value if name in _SHOWN else None, len(value), name in known or name in _SHOWN)
            for name, value in self.pairs()
            if _NAME.fullmatch(name)
        ]


def parse_pasted(text: str) -> Pasted:
    """Read what was pasted, or raise `Unreadable`."""
    text = text.strip()
    if not text:
        raise Unreadable("Paste an authorization URL, the form body of a token request, or a curl command.")
    if len(text) > LONGEST:
        raise Unreadable("This is too long to be a request.")
    if text.startswith("curl "):
        found = _curl(text)
    elif _HTTP.match(text):
        found = _http(text)
    else:
        found = _address_or_form(re.sub(r"\s*\n\s*", "", text))
    if "=" not in found.parameters:
        raise Unreadable("There are no parameters in this. A request looks like name=value&name=value.")
    return found


def _address_or_form(text: str) -> Pasted:
    if re.match(r"(https?://|/)", text):
        try:
            parts = urlsplit(text)
        except ValueError:
            raise Unreadable("This is not an address.") from None
        return Pasted(parts.query, Headers(), parts.query, parts.path)
    return Pasted(text.lstrip("?&"), Headers())


def _http(text: str) -> Pasted:
    """Read a request as it travels: a line, headers, an empty line, a body."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    match = _HTTP.match(first)
    address = _address_or_form(match[2] if match else first)
    headers = Headers([_header(line) for line in lines if ":" in line])
    body = re.sub(r"\s*\n\s*", "", body.strip())
    return Pasted(body or address.query, headers, address.query, address.path)


def _curl(text: str) -> Pasted:
    try:
        words = shlex.split(re.sub(r"\\\r?\n", " ", text))[1:]
    except ValueError:
        raise Unreadable("A quote of this curl command is not closed.") from None
    data: list[str] = []
    headers = Headers()
    address = ""
    rest = iter(words)
    for word in rest:
        option, _, attached = word.partition("=") if word.startswith("--") else (word, "", "")
        if option in _DATA:
            value = attached or next(rest, "")
            data.append(_urlencoded(value) if option == "--data-urlencode" else value)
        elif option in {"-u", "--user"}:
            headers["Authorization"] = _basic(attached or next(rest, ""))
        elif option in {"-H", "--header"}:
            headers.add(*_header(attached or next(rest, "")))
        elif option in {"-X", "--request", "-o", "--output", "-A", "--user-agent"}:
            next(rest, "")
        elif not word.startswith("-"):
            address = word
    found = _address_or_form(address) if address else Pasted("", headers)
    return Pasted("&".join(data) or found.query, headers, found.query, found.path)


def _urlencoded(value: str) -> str:
    name, equals, content = value.partition("=")
    return f"{name}={quote_plus(content)}" if equals else quote_plus(value)


def _basic(user: str) -> str:
    return "Basic " + base64.b64encode(user.encode()).decode()


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return re.sub(r"[^A-Za-z0-9-]", "", name), re.sub(r"[\r\n]", "", value).strip()

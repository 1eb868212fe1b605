"""A gateway that the configuration describes: most operators' interfaces are one request with the text in it."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from idp.messages.http_client import HttpClient, check_url
from idp.messages.sms_gateways.gateway import (
    FORM,
    JSON,
    Hook,
    Kind,
    Outcome,
    Text,
    Told,
    holds_secret,
    hook_url,
    name_of,
    read_path,
)
from idp.settings import Settings


class Generic:
    """The gateway of `[sms.http]`."""

    def __init__(self, settings: Settings, client: HttpClient) -> None:
        self._own, self._sender, self._client = settings.sms.http, settings.sms.sender, client
        self._url = check_url(self._own.url.get_secret_value(), "sms.http.url")
        self._hook = hook_url("http", settings)

    async def send(self, text: Text) -> Outcome:
        """Fill the fields in, send them, and look for the id."""
        facts = {
            "to": text.to,
            "to_digits": text.to.removeprefix("+"),
            "text": text.text,
            "sender": self._sender,
            "reference": text.reference,
            "hook": self._hook,
        }
        fields = {name: _fill(value.get_secret_value(), facts) for name, value in self._own.fields.items()}
        url, body, kind = self._url, None, {}
        if self._own.encoding == "query":
            url += ("&" if "?" in url else "?") + urlencode(fields)
        elif self._own.encoding == "form":
            body, kind = urlencode(fields).encode(), FORM
        else:
            body, kind = json.dumps(_nest(fields)).encode(), JSON
        headers = {**kind, **{name: value.get_secret_value() for name, value in self._own.headers.items()}}
        if self._own.username:
            login = f"{self._own.username}:{self._own.password.get_secret_value()}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        reply = await self._client.request(self._own.method, url, headers=headers, body=body)
        if not 200 <= reply.status < 300:
            return Outcome(reply)
        if self._own.ok_path and str(read_path(reply.json, self._own.ok_path)) not in self._own.ok_values:
            return Outcome(reply, answer_class="refused")
        if self._own.id_path:
            return Outcome(reply, name_of(read_path(reply.json, self._own.id_path)))
        return Outcome(reply, reply.body.decode("utf-8", "replace").strip()[:80] or text.reference)


def _fill(template: str, facts: Mapping[str, str]) -> str:
    """Put facts in place of ``{name}``; a fact that looks like a placeholder is not filled again."""
    pieces = template.split("{")
    filled = pieces[0]
    for piece in pieces[1:]:
        name, brace, rest = piece.partition("}")
        filled += facts[name] + rest if brace and name in facts else "{" + piece
    return filled


def _nest(fields: Mapping[str, str]) -> dict[str, Any]:
    """Turn ``{"a.b": "x"}`` into ``{"a": {"b": "x"}}``; ``to[]`` holds a list of one."""
    tree: dict[str, Any] = {}
    for path, value in fields.items():
        *folders, name = path.split(".")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[name.removesuffix("[]")] = [value] if name.endswith("[]") else value
    return tree


def _read(hook: Hook, settings: Settings) -> Told | None:
    own, told = settings.sms.http, hook.json if hook.json is not None else {**hook.query, **hook.form}
    message_id = name_of(read_path(told, own.receipt_id_path)) if own.receipt_id_path else None
    if message_id is None:
        return None
    status = str(read_path(told, own.receipt_status_path))
    is_delivered, has_failed = status in own.receipt_delivered, status in own.receipt_failed
    return Told(message_id, "delivered" if is_delivered else "failed" if has_failed else None)


KIND = Kind(Generic, holds_secret, _read)

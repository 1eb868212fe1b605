"""Brevo: `POST /v3/transactionalSMS/send` (the path without `/send` is deprecated)."""

import json

from idp.messages.gsm7 import is_gsm7
from idp.messages.http_client import HttpClient, check_url
from idp.messages.sms_gateways.gateway import JSON, Hook, Kind, Outcome, Text, Told, holds_secret, hook_url, name_of
from idp.messages.transport import AnswerClass
from idp.settings import Settings

_CODES: dict[str, AnswerClass] = {"not_enough_credits": "credit", "unauthorized": "auth", "permission_denied": "auth"}
_DELIVERED = frozenset({"delivered"})
_FAILED = frozenset({"softbounce", "hardbounce", "rejected", "blacklisted", "skip"})


class Brevo:
    """One account of Brevo."""

    def __init__(self, settings: Settings, client: HttpClient) -> None:
        self._own, self._sender, self._client = settings.sms.brevo, settings.sms.sender, client
        self._url = check_url(self._own.url, "sms.brevo.url")
        self._hook = hook_url("brevo", settings)

    async def send(self, text: Text) -> Outcome:
        """Hand a text over."""
        content = {
            "sender": self._sender,
            "recipient": text.to.removeprefix("+"),
            "content": text.text,
            # « marketing » would be held back at night.
            "type": "transactional",
            "tag": text.reference,
            "unicodeEnabled": not is_gsm7(text.text),
            **({"webUrl": self._hook} if self._hook else {}),
        }
        reply = await self._client.request(
            "POST",
            f"{self._url}/transactionalSMS/send",
            headers={**JSON, "api-key": self._own.api_key.get_secret_value()},
            body=json.dumps(content).encode(),
        )
        told = reply.json if isinstance(reply.json, dict) else {}
        if reply.status in {200, 201}:
            return Outcome(reply, name_of(told.get("messageId")))
        code = str(told.get("code", ""))
        return Outcome(reply, answer_class=_CODES.get(code), code=code)


def _read(hook: Hook, _settings: Settings) -> Told | None:
    told = hook.json if isinstance(hook.json, dict) else {}
    message_id, status = name_of(told.get("messageId")), str(told.get("msg_status", "")).replace("_", "").lower()
    if message_id is None:
        return None
    return Told(message_id, "delivered" if status in _DELIVERED else "failed" if status in _FAILED else None)


KIND = Kind(Brevo, holds_secret, _read)

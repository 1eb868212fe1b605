"""OVHcloud: `POST /1.0/sms/{serviceName}/jobs`, each request signed with the server's own time."""

import hashlib
import json
from urllib.parse import quote

from idp import clock
from idp.messages.gsm7 import is_gsm7
from idp.messages.http_client import HttpClient, Reply, check_url
from idp.messages.sms_gateways.gateway import JSON, Hook, Kind, Outcome, Text, Told, holds_secret, name_of
from idp.settings import Settings

# What OVHcloud calls « PTT »; what is not here is an end that did not reach the phone.
_DELIVERED, _OPEN = "4", frozenset({"", "0", "1", "2", "3", "6"})


class OvhCloud:
    """One SMS account of OVHcloud."""

    def __init__(self, settings: Settings, client: HttpClient) -> None:
        self._own, self._sender, self._client = settings.sms.ovhcloud, settings.sms.sender, client
        self._url = check_url(self._own.url, "sms.ovhcloud.url")
        # How far their clock is ahead of ours; a signature with another time is refused.
        self._ahead: int | None = None

    async def send(self, text: Text) -> Outcome:
        """Hand a text over; the very bytes that are sent are signed."""
        body = json.dumps(
            {
                "charset": "UTF-8",
                "class": "phoneDisplay",
                "coding": "7bit" if is_gsm7(text.text) else "8bit",
                "message": text.text,
                # Without it a STOP notice is added, and nothing is sent at night.
                "noStopClause": True,
                "priority": "high",
                "receivers": [text.to],
                "sender": self._sender,
                "senderForResponse": False,
                "tag": text.reference,
                "validityPeriod": 15,
            }
        ).encode()
        url = f"{self._url}/sms/{quote(self._own.service, safe='')}/jobs"
        reply = await self._client.request("POST", url, headers=await self._signed(url, body), body=body)
        told = reply.json if isinstance(reply.json, dict) else {}
        if reply.status == 200:
            ids, wrong = told.get("ids") or [], told.get("invalidReceivers") or []
            if wrong and not ids:
                return Outcome(reply, answer_class="address")
            return Outcome(reply, name_of(ids[0]) if ids else None)
        code = str(told.get("errorCode", ""))
        if code in {"INVALID_SIGNATURE", "QUERY_TIME_OUT"}:
            self._ahead = None
        is_poor = reply.status == 403 and "credit" in str(told.get("message", "")).lower()
        return Outcome(reply, answer_class="credit" if is_poor else None, code=code)

    async def _signed(self, url: str, body: bytes) -> dict[str, str]:
        if self._ahead is None:
            self._ahead = _read_time(await self._client.request("GET", f"{self._url}/auth/time")) - _now()
        at = str(_now() + self._ahead)
        secret, consumer = self._own.application_secret.get_secret_value(), self._own.consumer_key.get_secret_value()
        signed = "+".join((secret, consumer, "POST", url, body.decode(), at))
        return {
            **JSON,
            "X-Ovh-Application": self._own.application_key,
            "X-Ovh-Consumer": consumer,
            "X-Ovh-Timestamp": at,
            # Their scheme, not our choice; the secret is at the front of what is hashed, and the body is fixed.
            "X-Ovh-Signature": "$1$" + hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest(),
        }


def _read(hook: Hook, _settings: Settings) -> Told | None:
    """OVHcloud calls by GET with `id` and `ptt`; the address is entered once in its console."""
    message_id, ptt = hook.query.get("id", ""), hook.query.get("ptt", "")
    if not message_id:
        return None
    return Told(message_id, None if ptt in _OPEN else "delivered" if ptt == _DELIVERED else "failed")


def _read_time(reply: Reply) -> int:
    return reply.json if reply.status == 200 and isinstance(reply.json, int) else _now()


def _now() -> int:
    return int(clock.now().timestamp())


KIND = Kind(OvhCloud, holds_secret, _read)

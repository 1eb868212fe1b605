"""Orange (api.orange.com): a token by client credentials, then `POST /smsmessaging/v1/outbound/{sender}/requests`."""

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from idp import clock
from idp.messages.http_client import HttpClient, Reply, check_url
from idp.messages.sms_gateways.gateway import (
    FORM,
    JSON,
    End,
    Hook,
    Kind,
    Outcome,
    Text,
    Told,
    holds_secret,
    name_of,
    read_path,
)
from idp.settings import Settings

_MARGIN = timedelta(seconds=60)
_ENDS: dict[str, End] = {"DeliveredToTerminal": "delivered", "DeliveryImpossible": "failed"}


class Orange:
    """One application of Orange's SMS API."""

    def __init__(self, settings: Settings, client: HttpClient) -> None:
        self._own, self._sender, self._client = settings.sms.orange, settings.sms.sender, client
        self._url = check_url(self._own.url, "sms.orange.url")
        self._token, self._token_ends_at = "", datetime.min.replace(tzinfo=UTC)

    async def send(self, text: Text) -> Outcome:
        """Hand a text over; a token that is refused is replaced once."""
        outcome = await self._try(text)
        if outcome.reply.status == 401 and self._token:
            self._token = ""
            outcome = await self._try(text)
        return outcome

    async def _try(self, text: Text) -> Outcome:
        refusal = await self._renew_token()
        if refusal is not None:
            return Outcome(refusal, answer_class="auth" if refusal.status < 500 else "later")
        sender = f"tel:{self._own.sender_number}"
        content = {
            "outboundSMSMessageRequest": {
                "address": f"tel:{text.to}",
                "senderAddress": sender,
                "senderName": self._sender,
                "outboundSMSTextMessage": {"message": text.text},
            }
        }
        reply = await self._client.request(
            "POST",
            f"{self._url}/smsmessaging/v1/outbound/{quote(sender, safe='')}/requests",
            headers={**JSON, "Authorization": f"Bearer {self._token}"},
            body=json.dumps(content).encode(),
        )
        if reply.status == 201:
            resource = name_of(read_path(reply.json, "outboundSMSMessageRequest.resourceURL"))
            # Receipts name the request by the last part of its address.
            return Outcome(reply, resource.rstrip("/").rpartition("/")[2] if resource else None)
        return Outcome(reply, code=str(read_path(reply.json, "requestError.serviceException.messageId") or ""))

    async def _renew_token(self) -> Reply | None:
        """Ask for a token where none is good for a minute more; return the answer if it was refused."""
        now = clock.now()
        if self._token and now < self._token_ends_at - _MARGIN:
            return None
        login = f"{self._own.client_id}:{self._own.client_secret.get_secret_value()}".encode()
        reply = await self._client.request(
            "POST",
            f"{self._url}/oauth/v3/token",
            headers={**FORM, "Authorization": f"Basic {base64.b64encode(login).decode()}"},
            body=b"grant_type=client_credentials",
        )
        token, lives = read_path(reply.json, "access_token"), str(read_path(reply.json, "expires_in") or "")
        if reply.status != 200 or not isinstance(token, str) or not token:
            return reply
        self._token = token
        self._token_ends_at = now + timedelta(seconds=int(lives) if lives.isdecimal() else 300)
        return None


def _read(hook: Hook, _settings: Settings) -> Told | None:
    """`callbackData` is what the request was called; the address is agreed with Orange once."""
    message_id = name_of(read_path(hook.json, "deliveryInfoNotification.callbackData"))
    status = read_path(hook.json, "deliveryInfoNotification.deliveryInfo.deliveryStatus")
    return Told(message_id, _ENDS.get(str(status))) if message_id else None


KIND = Kind(Orange, holds_secret, _read)

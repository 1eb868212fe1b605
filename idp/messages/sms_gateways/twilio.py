"""Twilio Messages: `POST /2010-04-01/Accounts/{SID}/Messages.json`, receipts signed with the account's token."""

import base64
import hashlib
import hmac
from urllib.parse import quote, urlencode

from idp import crypto
from idp.messages.http_client import HttpClient, check_url
from idp.messages.sms_gateways.gateway import FORM, End, Hook, Kind, Outcome, Text, Told, hook_url, name_of
from idp.messages.transport import AnswerClass
from idp.settings import Settings

# Their codes: a number that is none, is not allowed, has asked for silence, is no mobile; then troubles of ours.
_BY_CODE: dict[AnswerClass, str] = {
    "address": "21211 21214 21217 21408 21610 21612 21614",
    "auth": "20003 20005 20008",
    "later": "20429 14107",
}
_CODES = {code: answer_class for answer_class, codes in _BY_CODE.items() for code in codes.split()}
_ENDS: dict[str, End] = {"delivered": "delivered", "read": "delivered", "undelivered": "failed", "failed": "failed"}


class Twilio:
    """One account of Twilio."""

    def __init__(self, settings: Settings, client: HttpClient) -> None:
        self._own, self._sender, self._client = settings.sms.twilio, settings.sms.sender, client
        self._url = check_url(self._own.url, "sms.twilio.url")
        self._hook = hook_url("twilio", settings, with_secret=False)

    async def send(self, text: Text) -> Outcome:
        """Hand a text over."""
        form = {"To": text.to, "Body": text.text, "ValidityPeriod": "900"}
        service = self._own.messaging_service
        form |= {"MessagingServiceSid": service} if service else {"From": self._sender}
        # Their servers cannot reach a loopback issuer, and refuse to be told of one.
        form |= {"StatusCallback": self._hook} if self._hook.startswith("https://") else {}
        login = f"{self._own.account_sid}:{self._own.auth_token.get_secret_value()}".encode()
        reply = await self._client.request(
            "POST",
            f"{self._url}/2010-04-01/Accounts/{quote(self._own.account_sid, safe='')}/Messages.json",
            headers={**FORM, "Authorization": f"Basic {base64.b64encode(login).decode()}"},
            body=urlencode(form).encode(),
        )
        told = reply.json if isinstance(reply.json, dict) else {}
        if reply.status == 201:
            return Outcome(reply, name_of(told.get("sid")))
        code = str(told.get("code", ""))
        return Outcome(reply, answer_class=_CODES.get(code), code=code)


def _is_theirs(hook: Hook, settings: Settings) -> bool:
    """`X-Twilio-Signature`: HMAC-SHA1 by the account's token of the address and the sorted fields, run together."""
    token = settings.sms.twilio.auth_token.get_secret_value()
    signed = hook.url + "".join(name + hook.form[name] for name in sorted(hook.form))
    expected = base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    return bool(token) and crypto.same(expected, hook.headers.get("x-twilio-signature", ""))


def _read(hook: Hook, _settings: Settings) -> Told | None:
    message_id = hook.form.get("MessageSid", "")
    return Told(message_id, _ENDS.get(hook.form.get("MessageStatus", ""))) if message_id else None


KIND = Kind(Twilio, _is_theirs, _read)

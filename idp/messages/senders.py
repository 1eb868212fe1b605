"""Which transport carries which channel; a new one is one file and one line here."""

from collections.abc import Callable

from idp.messages.http_sms import HttpSmsSender
from idp.messages.smpp import SmppSender
from idp.messages.sms import SmsSender
from idp.messages.sms_gateways import GATEWAYS
from idp.messages.smtp import SmtpSender
from idp.messages.transport import Sender
from idp.settings import Settings

# By `sms.transport` and `sms.second_transport`.
SMS_TRANSPORTS: dict[str, Callable[[Settings], Sender]] = {
    "smpp": SmppSender,
    **{name: HttpSmsSender.of(name) for name in GATEWAYS},
}


def _sms(settings: Settings) -> Sender | None:
    names = [name for name in (settings.sms.transport, settings.sms.second_transport) if name]
    return SmsSender(settings, [SMS_TRANSPORTS[name](settings) for name in names]) if names else None


SENDERS: dict[str, Callable[[Settings], Sender | None]] = {"email": SmtpSender, "sms": _sms}


def open_senders(settings: Settings) -> dict[str, Sender]:
    """Return a sender for every channel that is configured."""
    opened = {channel: make(settings) for channel, make in SENDERS.items()}
    return {channel: sender for channel, sender in opened.items() if sender is not None}

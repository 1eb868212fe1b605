"""Which transport carries which channel; a new one is one file and one line here."""

from collections.abc import Callable

from idp.messages.smpp import SmppSender
from idp.messages.smtp import SmtpSender
from idp.messages.transport import Sender
from idp.settings import Settings

# By `sms.transport`; issue 4 adds HTTP gateways.
SMS_TRANSPORTS: dict[str, Callable[[Settings], Sender]] = {"smpp": SmppSender}


def _sms(settings: Settings) -> Sender | None:
    return SMS_TRANSPORTS[settings.sms.transport](settings) if settings.sms.transport else None


SENDERS: dict[str, Callable[[Settings], Sender | None]] = {"email": SmtpSender, "sms": _sms}


def open_senders(settings: Settings) -> dict[str, Sender]:
    """Return a sender for every channel that is configured."""
    opened = {channel: make(settings) for channel, make in SENDERS.items()}
    return {channel: sender for channel, sender in opened.items() if sender is not None}

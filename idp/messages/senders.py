"""Which transport carries which channel; a new one is one file and one line here, or a package of its own."""

from collections.abc import Callable

from idp import entry_points
from idp.messages.http_sms import HttpSmsSender
from idp.messages.smpp import SmppSender
from idp.messages.sms import SmsSender
from idp.messages.sms_gateways import GATEWAYS
from idp.messages.smtp import SmtpSender
from idp.messages.transport import Sender
from idp.settings import Settings, SettingsFault

# By `sms.transport` and `sms.second_transport`.
SMS_TRANSPORTS: dict[str, Callable[[Settings], Sender]] = {
    "smpp": SmppSender,
    **{name: HttpSmsSender.of(name) for name in GATEWAYS},
}


def _sms(settings: Settings) -> Sender | None:
    names = [name for name in (settings.sms.transport, settings.sms.second_transport) if name]
    return SmsSender(settings, [_open(name, settings) for name in names]) if names else None


def _open(name: str, settings: Settings) -> Sender:
    return entry_points.make(entry_points.SMS_TRANSPORTS, name, settings, SMS_TRANSPORTS)


def _mail(settings: Settings) -> Sender:
    return entry_points.make(entry_points.MAIL_TRANSPORTS, settings.mail_transport, settings, MAIL_TRANSPORTS)


# By `mail_transport`.
MAIL_TRANSPORTS: dict[str, Callable[[Settings], Sender]] = {"smtp": SmtpSender}
SENDERS: dict[str, Callable[[Settings], Sender | None]] = {"email": _mail, "sms": _sms}


def find_faults(settings: Settings) -> list[str]:
    """Return which transports the settings name that nothing offers."""
    wanted = [(entry_points.MAIL_TRANSPORTS, settings.mail_transport, MAIL_TRANSPORTS)]
    names = (settings.sms.transport, settings.sms.second_transport)
    wanted += [(entry_points.SMS_TRANSPORTS, name, SMS_TRANSPORTS) for name in names if name]
    faults: list[str] = []
    for group, name, built_in in wanted:
        try:
            entry_points.find_maker(group, name, built_in)
        except SettingsFault as fault:
            faults += fault.faults
    return faults


def open_senders(settings: Settings) -> dict[str, Sender]:
    """Return a sender for every channel that is configured."""
    opened = {channel: make(settings) for channel, make in SENDERS.items()}
    return {channel: sender for channel, sender in opened.items() if sender is not None}

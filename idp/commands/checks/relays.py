"""Mail relays and SMS centres: connect, TLS, log in, and hang up; nothing is sent."""

import asyncio
from typing import Any

from idp.accounts.directories import current_directory
from idp.accounts.outside import DirectoryAway
from idp.commands.checks import Finding, failure, ok, skipped
from idp.messages.smpp import SmppSender
from idp.messages.smtp import SmtpSender
from idp.settings import current_settings, settings

_WHY = {
    "tls": ("its TLS is not to be trusted, or it offers none", "see its certificate, its name, smtp.ca_file"),
    "auth": ("it does not take our name and password", "see user and password in its URL"),
    "timeout": ("it does not answer in time", "see the network, smtp.timeout"),
    "unreachable": ("it cannot be reached", "see host, port, firewall"),
}


def check_mail_relays() -> list[Finding]:
    """Try each mail relay."""
    if settings.mail_transport != "smtp":
        return [skipped(f"mail leaves by {settings.mail_transport}, a plug-in")]
    answers = asyncio.run(SmtpSender(current_settings()).probe())
    return [_judge(f"mail relay {label}", why) for label, why in answers.items()]


def check_sms() -> list[Finding]:
    """Bind to the SMS centre; gateways by HTTP cannot be asked without sending."""
    wanted = [name for name in (settings.sms.transport, settings.sms.second_transport) if name]
    found = [
        _judge("SMS centre", asyncio.run(_bind(current_settings())))
        if name == "smpp"
        else skipped(f"{name} can only be tried by sending")
        for name in wanted
    ]
    return found or [skipped("no SMS is offered")]


async def _bind(ours: Any) -> str | None:
    return await SmppSender(ours).probe()


def check_directory() -> list[Finding]:
    """Ask an outside directory after nobody."""
    asked = current_directory()
    if asked is None:
        return [skipped("the accounts are here")]
    try:
        # Shaped like a NIR, of a month and a place that do not exist.
        asked.find("1009900999999")
    except DirectoryAway as fault:
        return [failure(f"{settings.directory}: away ({fault})", "see the directory's address and our account there")]
    return [ok(f"{settings.directory}: answers, and keeps {', '.join(sorted(asked.keeps)) or 'passwords only'}")]


def _judge(who: str, why: str | None) -> Finding:
    if why is None:
        return ok(f"{who} takes us")
    says, fix = _WHY.get(why, (why, "see its log"))
    return failure(f"{who}: {says}", fix)

"""What the domain of our mails says in DNS: who may send for it, how they sign, what others get, where mail goes.

Without SPF, DKIM and DMARC mailbox providers refuse codes, or put them where nobody looks, and anybody can send them
in our name (RFC 7208, RFC 6376, RFC 7489).
"""

from collections.abc import Callable, Iterator

import dns.exception
import dns.resolver

from idp.commands.checks import Finding, failure, ok, skipped, warning
from idp.messages.dkim_signature import DkimFault, public_half
from idp.settings import Settings, is_test_host

# Name and type, to the texts of the records that there are.
Ask = Callable[[str, str], list[str]]
_PATIENCE = 3.0


class DnsAway(Exception):
    """No name server answered: nothing is known."""


def ask_dns(name: str, kind: str) -> list[str]:
    """Return the records of ``name``; none if it does not exist."""
    try:
        answer = dns.resolver.resolve(name, kind, lifetime=_PATIENCE)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as fault:
        raise DnsAway(type(fault).__name__) from fault
    if kind == "TXT":
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
    return [str(record.exchange).rstrip(".") if kind == "MX" else record.to_text() for record in answer]


def check_dns(ours: Settings, ask: Ask = ask_dns) -> list[Finding]:
    """Look the records of our mails up."""
    sender = ours.smtp.sender_address.rpartition("@")[2]
    envelope = (ours.smtp.return_address or ours.smtp.sender_address).rpartition("@")[2]
    if is_test_host(sender) or "." not in sender:
        return [skipped(f"{sender} is no domain of the Internet")]
    try:
        return [*_spf(envelope, ask), *_dkim(ours, sender, ask), *_dmarc(sender, ask), *_mx(envelope, ask)]
    except DnsAway as fault:
        return [warning(f"no name server answers ({fault})", "run this where DNS can be asked")]


def _spf(domain: str, ask: Ask) -> Iterator[Finding]:
    records = [text for text in ask(domain, "TXT") if text.lower().split(" ")[0] == "v=spf1"]
    if len(records) != 1:
        how = "no SPF record" if not records else f"{len(records)} SPF records, which count as none"
        yield failure(f"{domain} has {how}", f'one TXT record: {domain} "v=spf1 include:<your relay> -all"')
    elif records[0].lower().split()[-1] not in {"-all", "~all"} and "redirect=" not in records[0].lower():
        yield failure(f"the SPF record of {domain} lets everybody send", "end it with -all")
    else:
        yield ok(f"SPF of {domain}")


def _dkim(ours: Settings, domain: str, ask: Ask) -> Iterator[Finding]:
    if not ours.smtp.dkim_selector:
        yield skipped("no DKIM key here: the relay signs, as its own documentation says")
        return
    name = f"{ours.smtp.dkim_selector}._domainkey.{domain}"
    try:
        wanted = public_half(ours.smtp)
    except DkimFault as fault:
        yield failure(f"DKIM: {fault}", "see smtp.dkim_key")
        return
    published = [_tags(text).get("p", "").replace(" ", "") for text in ask(name, "TXT")]
    if wanted in published:
        yield ok(f"DKIM key at {name}")
    else:
        how = "is another one" if any(published) else "is not published"
        yield failure(f"our DKIM key {how} at {name}", f'TXT record: {name} "v=DKIM1; k=rsa; p={wanted}"')


def _dmarc(domain: str, ask: Ask) -> Iterator[Finding]:
    # RFC 7489 §6.6.3: where the domain itself says nothing, the organisation's does; two labels are enough here.
    for place in dict.fromkeys((domain, ".".join(domain.split(".")[-2:]))):
        found = [_tags(text) for text in ask(f"_dmarc.{place}", "TXT") if text.startswith("v=DMARC1")]
        if found:
            policy = found[0].get("p", "") if place == domain else found[0].get("sp", found[0].get("p", ""))
            if policy in {"quarantine", "reject"}:
                yield ok(f"DMARC of {place}: {policy}")
            else:
                yield warning(
                    f"DMARC of {place} is p={policy or '?'}: mails in our name arrive", "p=quarantine or reject"
                )
            return
    yield failure(f"{domain} has no DMARC record", f'TXT record: _dmarc.{domain} "v=DMARC1; p=reject"')


def _mx(domain: str, ask: Ask) -> Iterator[Finding]:
    if ask(domain, "MX"):
        yield ok(f"mail for {domain} goes somewhere")
    else:
        yield failure(f"{domain} has no MX: bounces are lost, and some relays refuse such a sender", f"MX for {domain}")


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}

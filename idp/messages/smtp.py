"""How mail leaves: over reused, verified connections, to the first relay that takes it, never in clear (AC-47)."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage

import aiosmtplib

from idp import logs, metrics
from idp.messages.bounces import is_about_mailbox
from idp.messages.dkim_signature import open_signer
from idp.messages.domain_health import DomainHealth, domain_of, label_of
from idp.messages.letter import BadAddress, build_mail, check_recipient
from idp.messages.relays import Relay, parse_relay
from idp.messages.return_path import return_address
from idp.messages.transport import Answer, AnswerClass, Letter, Told
from idp.settings import Settings

_IDLE = 30.0
_MAILS_PER_CONNECTION = 100
# A relay that failed is tried after the others for this long.
_DISTRUST = 30.0
_GOODBYE = 0.05
# The relay itself is the trouble, not the letter: another one may do better.
_RELAY_TROUBLE: frozenset[AnswerClass] = frozenset({"unreachable", "timeout", "tls", "auth", "sender"})

# RFC 5321 §4.2.3: mailbox unavailable, not local, name not allowed.
_NO_SUCH_MAILBOX = frozenset({550, 551, 553})

Refused = dict[str, aiosmtplib.SMTPResponse]

log = logs.get_logger()


class _CannotConnect(Exception):
    """No usable connection to a relay; ``answer_class`` says why."""

    def __init__(self, answer_class: AnswerClass) -> None:
        super().__init__(answer_class)
        self.answer_class: AnswerClass = answer_class


@dataclass(slots=True)
class _Line:
    """An open connection."""

    smtp: aiosmtplib.SMTP
    used_at: float
    mails: int = 0


class SmtpSender:
    """Sends mail through the configured relays."""

    def __init__(self, settings: Settings) -> None:
        self._smtp = settings.smtp
        self._hello = settings.issuer_host
        self._relays = [parse_relay(url) for url in settings.relay_urls]
        self._tls = ssl.create_default_context(cafile=self._smtp.ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._idle: dict[Relay, list[_Line]] = {relay: [] for relay in self._relays}
        self._health = DomainHealth()
        self._signer = open_signer(settings.smtp)
        self._distrusted_until: dict[Relay, float] = {}
        self.lanes = self._smtp.connections

    async def send(self, letter: Letter) -> Answer:
        """Try each relay until one takes the letter or refuses it for good."""
        try:
            recipient = check_recipient(letter.to)
        except BadAddress:
            return Answer("refused", "address")
        answer = Answer("later", "unreachable")
        domain = domain_of(recipient)
        for relay in self._in_order(domain):
            with metrics.OTP_PROVIDER.labels("email", relay.label).time():
                answer = await self._try(relay, letter, recipient)
            self._learn(domain, relay, answer)
            # The first 4xx is likely greylisting, which only the same relay can outwait.
            is_stuck = answer.answer_class == "later" and letter.attempt > 1
            if answer.answer_class in _RELAY_TROUBLE:
                self._distrusted_until[relay] = _loop_time() + _DISTRUST
                log.error("relay-trouble", relay=relay.label, reason=answer.answer_class)
            elif not is_stuck:
                break
        return answer

    async def probe(self) -> dict[str, AnswerClass | None]:
        """Connect to each relay as for a mail, log in, and hang up; say what is wrong, or None."""
        found: dict[str, AnswerClass | None] = {}
        for relay in self._relays:
            try:
                await _hang_up(await self._connect(relay))
                found[relay.label] = None
            except _CannotConnect as fault:
                found[relay.label] = fault.answer_class
        return found

    def _return_address(self, letter: Letter) -> str:
        base = self._smtp.return_address
        return return_address(base, letter.return_token) if base else self._smtp.sender_address

    def listen(self, told: Told) -> None:
        """Mail relays say nothing afterwards: what comes back is a mail of its own (`bounces.py`)."""

    async def close_idle(self) -> None:
        """Close connections that nobody used for half a minute."""
        for lines in self._idle.values():
            for line in [line for line in lines if not _is_usable(line)]:
                lines.remove(line)
                await _hang_up(line)

    async def close(self) -> None:
        """Close every connection."""
        for lines in self._idle.values():
            while lines:
                await _hang_up(lines.pop())
        # What the library closed by itself still says goodbye over TLS; the loop may end right after us.
        await asyncio.sleep(_GOODBYE)

    def _in_order(self, domain: str) -> list[Relay]:
        """Those that work first, then those that fail for this domain, then those that fail for all."""
        now = _loop_time()
        return sorted(
            self._relays,
            key=lambda relay: (
                self._distrusted_until.get(relay, 0.0) > now,
                self._health.is_failing(domain, relay.label, now),
            ),
        )

    def _learn(self, domain: str, relay: Relay, answer: Answer) -> None:
        metrics.MAIL_DOMAIN.labels(label_of(domain), relay.label, answer.answer_class).inc()
        # What ails the relay as a whole is known by `_distrusted_until`; an unknown mailbox is nobody's fault.
        if answer.answer_class in {"accepted", "mailbox", "later", "refused"}:
            is_good = answer.answer_class in {"accepted", "mailbox"}
            self._health.note(domain, relay.label, is_good=is_good, at=_loop_time())

    async def _try(self, relay: Relay, letter: Letter, recipient: str) -> Answer:
        mail = build_mail(
            letter,
            recipient=recipient,
            sender_name=self._smtp.sender_name,
            sender_address=self._smtp.sender_address,
        )
        try:
            async with self._line(relay) as line:
                refused, _text = await self._hand_over(line, mail, self._return_address(letter), recipient)
        except _CannotConnect as fault:
            return Answer("later", fault.answer_class, relay.label)
        except aiosmtplib.SMTPRecipientsRefused as fault:
            return _by_recipient(fault.recipients[0], relay)
        except aiosmtplib.SMTPSenderRefused as fault:
            return Answer("refused", "sender", relay.label) if fault.code >= 500 else _by_code(fault.code, relay)
        except aiosmtplib.SMTPResponseException as fault:
            return _by_code(fault.code, relay)
        except TimeoutError:
            return Answer("later", "timeout", relay.label)
        except (aiosmtplib.SMTPException, OSError):
            return Answer("later", "unreachable", relay.label)
        if refused:
            return _by_code(next(iter(refused.values())).code, relay)
        self._distrusted_until.pop(relay, None)
        return Answer("accepted", "accepted", relay.label, letter.reference)

    async def _hand_over(self, line: _Line, mail: EmailMessage, sender: str, recipient: str) -> tuple[Refused, str]:
        if self._signer is None:
            return await line.smtp.send_message(mail, sender=sender, recipients=[recipient])
        # As signed: `send_message` would write the headers anew.
        return await line.smtp.sendmail(sender, [recipient], self._signer.sign(mail))

    @asynccontextmanager
    async def _line(self, relay: Relay) -> AsyncIterator[_Line]:
        """Lend a connection; it is used again only if nothing went wrong on it."""
        line = await self._find_idle(relay) or await self._connect(relay)
        try:
            yield line
        except BaseException:
            _cut(line.smtp)
            raise
        line.mails += 1
        line.used_at = _loop_time()
        if _is_usable(line):
            self._idle[relay].append(line)
        else:
            await _hang_up(line)

    async def _find_idle(self, relay: Relay) -> _Line | None:
        lines = self._idle[relay]
        while lines:
            line = lines.pop()
            if _is_usable(line):
                # RFC 5321 §4.1.1.5: also finds out whether the relay hung up meanwhile, before a letter is at stake.
                with suppress(aiosmtplib.SMTPException, OSError):
                    await line.smtp.rset()
                    return line
            await _hang_up(line)
        return None

    async def _connect(self, relay: Relay) -> _Line:
        smtp = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            username=relay.username,
            password=relay.password,
            local_hostname=self._hello,
            timeout=self._smtp.timeout,
            use_tls=relay.security == "tls",
            # Never the opportunistic mode: a relay without STARTTLS gets nothing, not even our password.
            start_tls=relay.security == "starttls",
            tls_context=self._tls,
        )
        try:
            await smtp.connect()
        except (aiosmtplib.SMTPException, OSError) as fault:
            _cut(smtp)
            raise _CannotConnect(_why(fault, relay)) from fault
        return _Line(smtp, _loop_time())


def _why(fault: Exception, relay: Relay) -> AnswerClass:
    if isinstance(fault, ssl.SSLError) or isinstance(fault.__cause__, ssl.SSLError):
        return "tls"
    if isinstance(fault, aiosmtplib.SMTPAuthenticationError):
        return "auth"
    if isinstance(fault, TimeoutError):
        return "timeout"
    # The library has no class of its own for « STARTTLS is not offered » or « no way to log in ».
    if type(fault) is aiosmtplib.SMTPException:
        return "tls" if relay.security == "starttls" and "STARTTLS" in fault.message else "auth"
    if isinstance(fault, aiosmtplib.SMTPResponseException) and relay.security == "starttls" and fault.code == 454:
        return "tls"
    return "unreachable"


def _by_recipient(fault: aiosmtplib.SMTPRecipientRefused, relay: Relay) -> Answer:
    """Tell « no such mailbox » (RFC 3463 §3.2, §3.3) from a refusal by policy, which says nothing of the address."""
    enhanced = re.match(r"\s*(\d\.\d{1,3}\.\d{1,3})\b", fault.message)
    if is_about_mailbox(enhanced[1]) if enhanced else fault.code in _NO_SUCH_MAILBOX:
        return Answer("refused", "mailbox", relay.label)
    return _by_code(fault.code, relay)


def _by_code(code: int, relay: Relay) -> Answer:
    # RFC 5321 §4.2.1: 5yz is permanent. 421 and the like ask to come back.
    return Answer("refused", "refused", relay.label) if code >= 500 else Answer("later", "later", relay.label)


def _is_usable(line: _Line) -> bool:
    is_fresh = _loop_time() - line.used_at < _IDLE and line.mails < _MAILS_PER_CONNECTION
    return is_fresh and line.smtp.is_connected


async def _hang_up(line: _Line) -> None:
    transport = line.smtp.transport
    with suppress(aiosmtplib.SMTPException, OSError):
        await line.smtp.quit(timeout=1)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
    line.smtp.close()


def _cut(smtp: aiosmtplib.SMTP) -> None:
    """End a connection now: a polite end of TLS would wait for the other side, beyond the life of our loop."""
    if isinstance(smtp.transport, asyncio.WriteTransport):
        smtp.transport.abort()
    smtp.close()


def _loop_time() -> float:
    return asyncio.get_running_loop().time()

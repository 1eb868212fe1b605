"""When a code may be sent, and the sending: into the outbox, in the caller's transaction, never by a GET (R4, §4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from idp import audit, crypto, metrics, ratelimit
from idp.accounts.models import Account
from idp.messages import compose, outbox, sms_budget
from idp.messages.alerts import alert
from idp.messages.stops import Stop, issue_stop
from idp.mfa.codes import Challenge, find_challenge, renew_challenge, start_challenge
from idp.mfa.methods import Method
from idp.mfa.words import words_of
from idp.ratelimit import Window
from idp.settings import settings
from idp.state import state

_UNUSED = "codes-unused"
_UNUSED_BEFORE_ALERT = 3
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a message says about why it was sent."""

    purpose: str
    service: str
    device: str
    reference: str
    locale: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A code is in the outbox; ``kind`` says whether it is the same as before."""

    challenge: Challenge
    kind: Literal["first", "same", "new"]


@dataclass(frozen=True, slots=True)
class NotYet:
    """No code is sent before ``retry_at``; ``is_quota`` when the hour or the day is used up, not just the moment."""

    retry_at: datetime
    is_quota: bool


def send_code(
    *, account: Account, method: Method, challenge_id: str | None, occasion: Occasion, now: datetime
) -> Sent | NotYet:
    """Put a code for ``account`` into the outbox, or say when one may be sent. The caller commits.

    The account must have a destination for ``method``.
    """
    destination = method.find_destination(account)
    if destination is None:
        raise ValueError("the account cannot use this method")
    old = find_challenge(challenge_id)
    refusal = _spend(account.id, destination, method, old, now)
    if refusal is not None:
        metrics.OTP_SEND.labels(method.channel, occasion.purpose, "throttled").inc()
        audit.record("code-send", outcome="throttled", account_id=account.id, channel=method.channel)
        return refusal
    renewed = renew_challenge(old, channel=method.channel, now=now) if old else None
    challenge = renewed or start_challenge(
        account_id=account.id, purpose=occasion.purpose, channel=method.channel, now=now
    )
    _enqueue(account, destination, challenge, occasion, now)
    metrics.OTP_SEND.labels(method.channel, occasion.purpose, "queued").inc()
    audit.record("code-send", account_id=account.id, channel=method.channel, purpose=occasion.purpose)
    if renewed is None or old is None:
        _warn_of_unused(account, now)
        return Sent(challenge, "first")
    return Sent(challenge, "same" if challenge.n == old.n else "new")


def forget_unused(account_id: str) -> None:
    """A code of the account was typed: nobody is at it who has the password alone."""
    state.clear(_UNUSED, account_id)


def _warn_of_unused(account: Account, now: datetime) -> None:
    """Tell the owner when three sign-ins of a day asked for a code and left it: the password is known (AC-41)."""
    if state.bump(_UNUSED, account.id, ttl=_DAY) == _UNUSED_BEFORE_ALERT + 1:
        alert(account, "codes-unused", now=now)


def sends_left(account_id: str, now: datetime) -> int:
    """Return how many codes the account may still ask for in this hour and day."""
    return ratelimit.peek("code-send", account_id, windows=_quota(), now=now).left


def next_first_send_at(account_id: str, now: datetime) -> datetime | None:
    """Return the moment from which a sign-in without a code may ask for one, or ``None`` if that is now."""
    window = Window(1, settings.code.first_resend_after)
    return ratelimit.peek("code-send", account_id, windows=(window,), now=now).retry_at


def next_send_at(challenge: Challenge) -> datetime:
    """Return the moment from which the code may be asked for again."""
    return challenge.sent_at + _gap(challenge)


def _gap(challenge: Challenge | None) -> timedelta:
    sends = challenge.sends if challenge else 1
    return settings.code.first_resend_after if sends <= 1 else settings.code.next_resend_after


def _quota() -> tuple[Window, ...]:
    return (Window(settings.code.sends_per_hour, _HOUR), Window(settings.code.sends_per_day, _DAY))


def _spend(
    account_id: str, destination: str, method: Method, challenge: Challenge | None, now: datetime
) -> NotYet | None:
    """Take one sending from the account's and the recipient's allowance, and from the SMS budget."""
    gap = _gap(challenge)
    spent = ratelimit.spend("code-send", account_id, windows=(Window(1, gap), *_quota()), now=now)
    if spent.retry_at is not None:
        return NotYet(spent.retry_at, is_quota=spent.retry_at > now + gap)
    # Many accounts may share one mailbox; nobody may bomb it through all of them (AC-42).
    recipient = crypto.blind_index(destination, column="recipient")
    spent = ratelimit.spend("code-recipient", recipient, windows=_quota(), now=now)
    if spent.retry_at is not None:
        return NotYet(spent.retry_at, is_quota=True)
    if method.channel == "sms" and state.bump("sms-budget", f"{now:%Y%m%d%H}", ttl=_HOUR) > settings.sms.hourly_budget:
        return NotYet(now + _HOUR, is_quota=True)
    if method.channel == "sms" and not sms_budget.is_open(destination, now):
        return NotYet(sms_budget.next_day(now), is_quota=True)
    return None


def _enqueue(account: Account, destination: str, challenge: Challenge, occasion: Occasion, now: datetime) -> None:
    message = compose.compose_code(
        challenge.channel,
        code=challenge.code,
        locale=occasion.locale,
        service=occasion.service,
        device=occasion.device,
        reference=occasion.reference,
        purpose=occasion.purpose,
        site=settings.site_address,
        host=urlsplit(settings.issuer).hostname or "",
        asked_at=now,
        words=words_of(challenge.id),
        stop=issue_stop(Stop(account.id, challenge.id)),
    )
    outbox.enqueue(
        channel=challenge.channel,
        to=destination,
        message=message,
        subject_ref=challenge.subject_ref,
        purpose=occasion.purpose,
        account_id=account.id,
        deadline=challenge.ends_at,
        now=now,
    )

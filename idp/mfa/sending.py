"""When a code may be sent, and the sending: into the outbox, in the caller's transaction, never by a GET (R4, §4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from idp import crypto, metrics, operations, ratelimit
from idp.accounts.models import Person
from idp.messages import compose, outbox, sms_budget
from idp.messages.alerts import alert
from idp.messages.stops import Stop, issue_stop
from idp.mfa import events
from idp.mfa.codes import FOR_AN_ADDRESS, Challenge, Purpose, find_challenge, renew_challenge, start_challenge
from idp.mfa.methods import Method
from idp.mfa.words import words_of
from idp.ratelimit import Window
from idp.settings import settings
from idp.state import state

_UNUSED = "codes-unused"
_UNUSED_BEFORE_ALERT = 3
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# Whose allowance a code is taken from. Each has its own: resetting needs no password, and a new address may be
# anybody's, so that neither may use up the codes with which people sign in (R7).
_ALLOWANCE: dict[Purpose, str] = {
    "sign-in": "code",
    "step-up": "code",
    "reset": "reset",
    "new-email": "address",
    "new-mobile": "address",
}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a message says about why it was sent."""

    purpose: Purpose
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
    *,
    account: Person,
    method: Method,
    challenge_id: str | None,
    occasion: Occasion,
    now: datetime,
    to: str | None = None,
    lane: str = "",
    covert: bool = False,
    void: bool = False,
) -> Sent | NotYet:
    """Put a code for ``account`` into the outbox, or say when one may be sent. The caller commits.

    It goes where the account's codes go by ``method``, or ``to`` a new address that is to be confirmed. ``lane`` gives
    a recognised device an allowance of its own. ``covert`` is for whoever may not learn whether there is an account:
    what only its address could refuse is passed over in silence. A ``void`` code is for nobody and never sent.
    """
    destination = method.find_destination(account) if to is None else to
    if destination is None or (operations.is_off(method.channel) and not void):
        raise ValueError("the account cannot use this method")
    old = find_challenge(challenge_id)
    if old is not None and (old.account_id, old.purpose) != (account.id, occasion.purpose):
        # Whatever the caller held, a code of another purpose is not sent again for this one.
        old = None
    allowance = _ALLOWANCE[occasion.purpose]
    refusal = _spend(f"{account.id}:{lane}" if lane else account.id, allowance, old, now)
    if refusal is None:
        full = _spend_recipient(destination, method, allowance, now)
        refusal, void = (None, void or full is not None) if covert else (full, void)
    if refusal is not None:
        metrics.OTP_SEND.labels(method.channel, occasion.purpose, "throttled").inc()
        events.code_send_throttled(account_id=account.id, channel=method.channel)
        return refusal
    channel, purpose = method.channel, occasion.purpose
    renewed = renew_challenge(old, channel=channel, destination=destination, now=now) if old else None
    challenge = renewed or start_challenge(
        account_id=account.id, purpose=purpose, channel=channel, destination=destination, now=now
    )
    _enqueue(account, destination, challenge, occasion, now, void=void)
    outcome = "void" if void else "queued"
    metrics.OTP_SEND.labels(method.channel, purpose, outcome).inc()
    events.code_sent(account_id=account.id, channel=channel, purpose=purpose, void=void)
    if renewed is None or old is None:
        if allowance == "code":
            # The others are asked for without a password, or by somebody who is signed in.
            _warn_of_unused(account, now)
        return Sent(challenge, "first")
    return Sent(challenge, "same" if challenge.n == old.n else "new")


def forget_unused(account_id: str) -> None:
    """A code of the account was typed: nobody is at it who has the password alone."""
    state.clear(_UNUSED, account_id)


def _warn_of_unused(account: Person, now: datetime) -> None:
    """Tell the owner when three sign-ins of a day asked for a code and left it: the password is known (AC-41)."""
    if state.bump(_UNUSED, account.id, ttl=_DAY) == _UNUSED_BEFORE_ALERT + 1:
        alert(account, "codes-unused", now=now)


def sends_left(account_id: str, now: datetime, purpose: Purpose = "sign-in") -> int:
    """Return how many codes the account may still ask for in this hour and day."""
    return ratelimit.peek(f"{_ALLOWANCE[purpose]}-send", account_id, windows=_quota(), now=now).left


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


def _spend(who: str, allowance: str, challenge: Challenge | None, now: datetime) -> NotYet | None:
    """Take one sending from the account's allowance."""
    gap = _gap(challenge)
    spent = ratelimit.spend(f"{allowance}-send", who, windows=(Window(1, gap), *_quota()), now=now)
    return NotYet(spent.retry_at, is_quota=spent.retry_at > now + gap) if spent.retry_at is not None else None


def _spend_recipient(destination: str, method: Method, allowance: str, now: datetime) -> NotYet | None:
    """Take one sending from the recipient's allowance, and from the SMS budget."""
    # Many accounts may share one mailbox; nobody may bomb it through all of them (AC-42).
    recipient = crypto.blind_index(destination, column="recipient")
    spent = ratelimit.spend(f"{allowance}-recipient", recipient, windows=_quota(), now=now)
    if spent.retry_at is not None:
        return NotYet(spent.retry_at, is_quota=True)
    if method.channel == "sms" and state.bump("sms-budget", f"{now:%Y%m%d%H}", ttl=_HOUR) > settings.sms.hourly_budget:
        return NotYet(now + _HOUR, is_quota=True)
    if method.channel == "sms" and not sms_budget.is_open(destination, now):
        return NotYet(sms_budget.next_day(now), is_quota=True)
    return None


def _enqueue(
    account: Person, destination: str, challenge: Challenge, occasion: Occasion, now: datetime, *, void: bool
) -> None:
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
        # Whoever reads a mailbox that is not this person's yet may stop nothing of theirs.
        stop="" if occasion.purpose in FOR_AN_ADDRESS else issue_stop(Stop(account.id, challenge.id)),
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
        void=void,
    )

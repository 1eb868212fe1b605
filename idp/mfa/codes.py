"""The one-time code: derived and never stored, sent again unchanged, good once, for one challenge (R3, R4).

A challenge belongs to one account, one purpose and one address; whoever started it holds its id. There is one living
code in it at a time, its ``n``-th. Purposes never cross: the purpose is part of what the digits are derived from, and
is asked for again when they are typed, so that a code for signing in confirms no address and resets no password.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, get_args

from idp import crypto, entropy, metrics
from idp.mfa import events, guard
from idp.mfa.fixed_code import find_fixed_code
from idp.settings import settings
from idp.state import Space, state

# An expired or used code is still recognised as such for this long.
_REMEMBERED = timedelta(hours=2)
_TRIES = "code-tries"
Purpose = Literal["sign-in", "step-up", "reset", "new-email", "new-mobile"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
# These codes prove that a person reads what is sent to an address: the code is worth something for that one alone.
FOR_AN_ADDRESS: frozenset[Purpose] = frozenset({"new-email", "new-mobile"})
Outcome = Literal["ok", "wrong", "expired", "used", "replaced", "burnt", "paused", "busy"]


@dataclass(frozen=True)
class Challenge:
    """One demand for a code: its ``n``-th code went out first at ``made_at``, last at ``sent_at``.

    ``address`` is the name under which the code's destination is known here, never the address itself.
    """

    id: str
    account_id: str
    purpose: Purpose
    channel: str
    address: str
    n: int
    made_at: datetime
    sent_at: datetime
    sends: int = 1
    used_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """Return when the living code dies; sending it again never moves this (AC-32)."""
        return self.made_at + settings.code.lifetime

    @property
    def subject_ref(self) -> str:
        """Return the name under which the outbox knows the last sending."""
        return f"{self.id}:{self.n}:{self.sends}"

    @property
    def code(self) -> str:
        """Return the living code's six digits."""
        return find_fixed_code(self.account_id) or _derive(self, self.n)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a typed code."""

    outcome: Outcome
    tries_left: int = 0
    until: datetime | None = None


CHALLENGES = Space("challenge", Challenge, once=True)


def derive_code(purpose: Purpose, challenge_id: str, n: int) -> str:
    """Return the six digits of a challenge's ``n``-th code; 2^256 is so much larger than 10^6 that none is favoured."""
    return f"{int.from_bytes(crypto.keyed('code', purpose, challenge_id, str(n))) % 1_000_000:06d}"


def name_address(destination: str) -> str:
    """Return the name under which challenges know an e-mail address or a mobile number."""
    return crypto.blind_index(destination, column="code-address")


def find_challenge(challenge_id: str | None) -> Challenge | None:
    """Return a challenge of the last two hours."""
    return state.get(CHALLENGES, challenge_id) if challenge_id else None


def start_challenge(*, account_id: str, purpose: Purpose, channel: str, destination: str, now: datetime) -> Challenge:
    """Make a first code, for ``destination``."""
    challenge = Challenge(
        entropy.identifier(), account_id, purpose, channel, name_address(destination), n=1, made_at=now, sent_at=now
    )
    state.put(CHALLENGES, challenge.id, challenge, ttl=_REMEMBERED)
    return challenge


def renew_challenge(challenge: Challenge, *, channel: str, destination: str, now: datetime) -> Challenge | None:
    """Make the code ready to be sent again: the same one while it may live on, else a new one and the old dies.

    Returns ``None`` when the challenge ended meanwhile.
    """
    address = name_address(destination)

    def _next(old: Challenge) -> Challenge:
        lives_on = (
            (channel, address) == (old.channel, old.address)
            and old.used_at is None
            and old.ends_at - now >= settings.code.resend_same_while
            and state.count(_TRIES, f"{old.id}:{old.n}") < settings.code.tries
        )
        if lives_on:
            return replace(old, sent_at=now, sends=old.sends + 1)
        return replace(
            old, channel=channel, address=address, n=old.n + 1, made_at=now, sent_at=now, sends=old.sends + 1,
            used_at=None,
        )  # fmt: skip

    return state.change(CHALLENGES, challenge.id, _next, ttl=_REMEMBERED)


def check_code(
    challenge_id: str,
    digits: str,
    *,
    account_id: str,
    purpose: Purpose,
    lane: str,
    now: datetime,
    destination: str | None = None,
) -> Verdict:
    """Say what became of six typed digits; of many callers with the right ones, exactly one hears ``ok``.

    For a new address, ``destination`` is the one that is to be confirmed now: a code that went to another one does
    not confirm it.
    """
    if purpose in FOR_AN_ADDRESS and destination is None:
        raise ValueError("the address to confirm is missing")
    challenge = find_challenge(challenge_id)
    # A code opens only its own purpose and account (AC-29); to anybody else there is no such challenge.
    if challenge is None or (challenge.account_id, challenge.purpose) != (account_id, purpose):
        return Verdict("expired")
    if destination is not None and challenge.address != name_address(destination):
        return Verdict("expired")
    verdict = _judge(challenge, digits, lane, now)
    metrics.OTP_VERIFY.labels(challenge.channel, verdict.outcome).inc()
    if verdict.outcome == "ok":
        metrics.OTP_AGE_AT_USE.labels(challenge.channel).observe((now - challenge.sent_at).total_seconds())
    events.code_tried(verdict.outcome, account_id=account_id, channel=challenge.channel, purpose=purpose)
    return verdict


def _judge(challenge: Challenge, digits: str, lane: str, now: datetime) -> Verdict:
    # A dead code is dead whatever was typed: no oracle, and nothing to count.
    if challenge.used_at is not None:
        return Verdict("used")
    if now >= challenge.ends_at:
        return Verdict("expired")
    counted = guard.count_try(challenge.account_id, lane, now)
    if isinstance(counted, guard.Busy):
        return Verdict("busy")
    if isinstance(counted, guard.CodePause):
        return Verdict("paused", until=counted.until)
    if _is_replaced(challenge, digits):
        # Told, not counted: the message that came late is no guess, and a dead code opens nothing.
        guard.give_back_try(challenge.account_id, lane)
        return Verdict("replaced")
    tries = state.bump(_TRIES, f"{challenge.id}:{challenge.n}", ttl=_REMEMBERED)
    if tries > settings.code.tries:
        guard.give_back_try(challenge.account_id, lane)
        return Verdict("burnt")
    if crypto.same(challenge.code, digits):
        guard.give_back_try(challenge.account_id, lane)
        return Verdict("ok" if _use(challenge, now) else "used")
    if counted.is_last:
        metrics.PAUSES.labels("code").inc()
        return Verdict("paused", until=guard.begin_pause(challenge.account_id, lane, counted.pauses, now).until)
    if tries == settings.code.tries:
        return Verdict("burnt")
    return Verdict("wrong", settings.code.tries - tries)


def _is_replaced(challenge: Challenge, digits: str) -> bool:
    """Tell whether ``digits`` are an earlier code of the challenge; one that chance made again is the living one."""
    earlier = {_derive(challenge, n) for n in range(1, challenge.n)} - {challenge.code}
    return any(crypto.same(code, digits) for code in earlier)


def _derive(challenge: Challenge, n: int) -> str:
    return derive_code(challenge.purpose, challenge.id, n)


def _use(challenge: Challenge, now: datetime) -> bool:
    """Use the code up: true for one caller only."""

    def _once(current: Challenge) -> Challenge | None:
        return None if current.used_at is not None or current.n != challenge.n else replace(current, used_at=now)

    return state.change(CHALLENGES, challenge.id, _once) is not None

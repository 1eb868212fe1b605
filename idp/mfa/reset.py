"""A new password for one who forgot it: a code to a registered channel, asked for and checked alike for everybody.

A stranger who types somebody's NIR must not learn whether it has an account (R8, AC-56): for a NIR that may not get a
new password, the same is done for nobody (`directory.stand_in`): the same counters, the same code, the same row in the
outbox, which is void. A reset is no sign-in (ASVS 6.4.3): it leaves no session and no proof, and the channel over which
it came is trusted less for a while (`Account.reset_channel`), or one mailbox would be both factors.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from idp import metrics, operations, ratelimit, session
from idp.accounts import devices, directory, throttle
from idp.accounts.models import Account, index_nir
from idp.accounts.new_passwords import check_new_password
from idp.accounts.passwords import HashingBusy
from idp.db import release
from idp.messages.alerts import alert
from idp.mfa import events, guard
from idp.mfa.codes import Challenge, Verdict, check_code, find_challenge
from idp.mfa.guard import CodePause
from idp.mfa.methods import METHODS, Method, usable_channels
from idp.mfa.overview import Overview
from idp.mfa.policy import RESET_CHANNEL
from idp.mfa.sending import NotYet, Occasion, Sent, send_code
from idp.ratelimit import Window
from idp.settings import settings
from idp.state import Space, state


@dataclass(frozen=True)
class Reset:
    """One way from a NIR to a new password; ``account_id`` may be nobody's."""

    nir_index: str
    account_id: str
    channel: str
    challenge_id: str
    asked_at: datetime
    proved_at: datetime | None = None


# By the sign-in in which the password was missing: that browser alone goes on with it.
RESETS = Space("password-reset", Reset, once=True)


class ResetOver(Exception):
    """There is nothing to go on with: too late, used, another one begun, or the password changed meanwhile."""


def find_reset(key: str) -> Reset | None:
    """Return the reset that this sign-in is in."""
    reset = state.get(RESETS, key)
    return None if reset is None or _is_switched_off(reset) else reset


def find_reset_challenge(reset: Reset) -> Challenge | None:
    """Return the code that was sent, if it may still be typed."""
    return find_challenge(reset.challenge_id)


def ask_for_reset(
    key: str, *, nir: str, channel: str, device_cookie: str | None, address: str, occasion: Occasion, now: datetime
) -> Sent | NotYet:
    """Send a code for a new password to whom ``nir`` belongs, or do the same for nobody. The caller commits.

    ``channel`` is a wish: an account that has only the other one gets the code there. Whether there is an account, and
    which channels it has, is not to be seen in the answer.
    """
    found = directory.find_account_by_nir(nir)
    return _send(key, index_nir(nir), found, channel, device_cookie, address, occasion, now)


def ask_for_reset_again(
    key: str, *, device_cookie: str | None, address: str, occasion: Occasion, now: datetime
) -> Sent | NotYet:
    """Send the code once more, to whom it went, or do the same for nobody. The caller commits."""
    reset = find_reset(key)
    if reset is None:
        raise ResetOver
    found = directory.find_account(reset.account_id)
    return _send(key, reset.nir_index, found, reset.channel, device_cookie, address, occasion, now)


def _send(
    key: str,
    nir_index: str,
    found: Account | None,
    channel: str,
    device_cookie: str | None,
    address: str,
    occasion: Occasion,
    now: datetime,
) -> Sent | NotYet:
    nobody = directory.stand_in(nir_index, now=now)
    lane = devices.find_lane(device_cookie, found.id if found else None, now=now)
    if lane is None:
        spent = ratelimit.spend("reset-address", address, windows=_address_windows(), now=now)
        if spent.retry_at is not None:
            return NotYet(spent.retry_at, is_quota=True)
    method = _choose_method(found, channel)
    account = found if found is not None and method is not None else nobody
    old = find_reset(key)
    same = old if old is not None and old.account_id == account.id else None
    sent = send_code(
        account=account,
        method=method or METHODS[channel],
        challenge_id=same.challenge_id if same else None,
        occasion=occasion,
        now=now,
        lane=lane or "",
        covert=True,
        void=account is nobody,
    )
    if isinstance(sent, NotYet):
        metrics.RESET.labels("asked", "throttled").inc()
        return sent
    reset = Reset(nir_index, account.id, sent.challenge.channel, sent.challenge.id, now)
    state.put(RESETS, key, reset, ttl=settings.lifetimes.interaction)
    metrics.RESET.labels("asked", "ok").inc()
    return sent


def find_reset_pause(reset: Reset, device_cookie: str | None, now: datetime) -> CodePause | None:
    """Return the pause in which no code of this account is compared, if any."""
    return guard.find_pause(reset.account_id, _lane(reset, device_cookie, now), now)


def check_reset_code(key: str, digits: str, *, device_cookie: str | None, now: datetime) -> Verdict:
    """Say what became of six typed digits; the right ones open the way to a new password for a while."""
    reset = find_reset(key)
    if reset is None:
        raise ResetOver
    lane = _lane(reset, device_cookie, now)
    verdict = check_code(
        reset.challenge_id, digits, account_id=reset.account_id, purpose="reset", lane=lane, now=now
    )  # fmt: skip
    metrics.RESET.labels("code", verdict.outcome).inc()
    if verdict.outcome == "ok":
        proved = state.change(RESETS, key, lambda old: replace(old, proved_at=now) if old == reset else None)
        if proved is None:
            raise ResetOver
    return verdict


def get_proved_reset(key: str, now: datetime) -> Reset:
    """Return the reset whose code was typed a short while ago, or raise `ResetOver`."""
    reset = find_reset(key)
    if reset is None or reset.proved_at is None or now - reset.proved_at >= settings.code.lifetime:
        raise ResetOver
    return reset


def change_password(
    key: str, password: str, *, device_cookie: str | None, address: str = "", detail: Mapping[str, str], now: datetime
) -> None:
    """Give the account its new password and end all that the old one began; once only. The caller commits.

    Raises `ResetOver`, `PasswordFault`, or `HashingBusy`, after which the same may be tried again.
    """
    reset = get_proved_reset(key, now)
    account = _find_resettable(reset)
    check_new_password(password, context=directory.words_about(account) if account else ())
    release()
    # Of many that send the form, one; it has read and deleted before it does anything.
    if state.take(RESETS, key) != reset:
        raise ResetOver
    if account is None:
        # Guessed for nobody, one time in a million: whoever did it sees what everybody sees.
        return
    try:
        directory.set_password(reset.account_id, password, now=now, address=address)
    except HashingBusy:
        state.put(RESETS, key, reset, ttl=settings.code.lifetime)
        raise
    changed = directory.get_account(reset.account_id)
    changed.reset_channel, changed.reset_at = reset.channel, now
    # « Attendez, ou changez votre mot de passe » (U09): the pause of the old one is over on this device.
    lane = devices.find_lane(device_cookie, changed.id, now=now)
    throttle.clear_wrong_passwords(nir_index=reset.nir_index, device=lane)
    ended = session.end_sessions_of(changed.id, now)
    alert(changed, "password-changed", now=now, detail=dict(detail))
    metrics.RESET.labels("changed", "ok").inc()
    events.password_reset(account_id=changed.id, channel=reset.channel, sessions=ended)


def find_distrusted(account: Overview, now: datetime) -> str | None:
    """Return the channel that may not be the second factor beside a password that came over it."""
    if account.reset_channel is None or account.reset_at is None:
        return None
    return account.reset_channel if now - account.reset_at < settings.code.distrust_after_reset else None


def note_complete_sign_in(account: Overview, proofs: Iterable[str], lane: str) -> None:
    """Forget the wrong codes of a lane, and the distrust if something else was proved; the caller commits."""
    guard.clear_guard(account.id, lane, f"reset:{lane}")
    if account.reset_channel is not None and set(proofs) - {"pwd", RESET_CHANNEL, account.reset_channel}:
        kept = directory.get_account(account.id)
        kept.reset_channel = kept.reset_at = None


def _is_switched_off(reset: Reset) -> bool:
    """Tell whether a channel of codes was switched off since a reset was asked for.

    Any channel, and for everybody: which one a code went by must not be seen from what becomes of the reset (R8).
    """
    return any(name in METHODS and since >= reset.asked_at for name, since in operations.off_since().items())


def _choose_method(account: Account | None, wished: str) -> Method | None:
    """Return the way to reach an account that may get a new password, or ``None``."""
    # One that was never activated has no password to forget (AC-71); a restricted one is told so after signing in.
    if account is None or account.status == "disabled" or account.password_hash is None:
        return None
    usable = [METHODS[name] for name in usable_channels() if METHODS[name].find_destination(account)]
    return next((method for method in usable if method.channel == wished), usable[0] if usable else None)


def _find_resettable(reset: Reset) -> Account | None:
    """Return the account as it is now, ``None`` for nobody; `ResetOver` if what was proved counts no more."""
    account = directory.find_account(reset.account_id)
    if account is None:
        return None
    changed, stopped = account.password_changed_at, account.stopped_at
    # AC-67: a reset that began before the last change of the password is dead; so is one that was stopped by its key.
    was_changed = changed is not None and changed > reset.asked_at
    was_stopped = stopped is not None and stopped >= reset.asked_at
    if account.status == "disabled" or was_changed or was_stopped:
        raise ResetOver
    return account


def _lane(reset: Reset, device_cookie: str | None, now: datetime) -> str:
    """Return the lane in which wrong reset codes are counted.

    Not the one of signing in: resetting asks for no password, so anybody could pause the codes of anybody (R7).
    """
    return f"reset:{devices.find_lane(device_cookie, reset.account_id, now=now) or guard.UNKNOWN_DEVICES}"


def _address_windows() -> tuple[Window, ...]:
    return (Window(settings.throttle.reset_requests, settings.throttle.address_window),)

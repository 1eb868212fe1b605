"""What a stop key does: the sign-in that it came with is over, with all that it began, and a new password is asked for.

Which sessions one code began is kept beside its challenge. Whoever completes a sign-in and whoever stops it write to
that one entry by compare-and-set: one of the two sees the other, whichever comes first.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from idp import metrics, session
from idp.accounts import contact_changes, devices, directory
from idp.db import db
from idp.messages import outbox
from idp.messages.alerts import alert
from idp.messages.stops import Stop, find_stop, use_stop
from idp.mfa import events
from idp.mfa.codes import CHALLENGES
from idp.settings import settings
from idp.state import Space, state


@dataclass(frozen=True)
class Begun:
    """The sessions that one challenge began, until it is stopped."""

    sids: tuple[str, ...] = ()
    is_stopped: bool = False


BEGUN = Space("begun", Begun)


def note_begun(challenge_id: str, sid: str) -> bool:
    """Remember that this sign-in began a session; false when it was stopped meanwhile and must not have one."""
    ttl = settings.messages.stop_lifetime
    if state.add(BEGUN, challenge_id, Begun((sid,)), ttl=ttl):
        return True

    def _one_more(known: Begun) -> Begun | None:
        return None if known.is_stopped else replace(known, sids=(*known.sids, sid))

    return state.change(BEGUN, challenge_id, _one_more, ttl=ttl) is not None


def stop_by_key(letters: str, now: datetime) -> bool:
    """Do what a typed key is for; false if there is no such key. Typed again it does nothing more. Commits."""
    stop = find_stop(letters)
    if stop is None:
        metrics.STOPS.labels("unknown").inc()
        return False
    if stop.used_at is None:
        _stop(stop, now)
        db.session.commit()
        outbox.wake()
        # Last: a key whose work failed half-way can be typed again.
        use_stop(letters, now)
        metrics.STOPS.labels("stopped").inc()
    return True


def _stop(stop: Stop, now: datetime) -> None:
    account = directory.find_account(stop.account_id)
    if account is None:
        return
    sids = _close_challenge(stop.challenge_id) if stop.challenge_id else stop.sids
    if sids is None:
        ended = session.end_sessions_of(account.id, now)
    else:
        ended = sum(session.end_session_by_id(sid, now) for sid in sids)
    if sids is None or sids:
        # The browser that got in counts as recognised by now.
        devices.revoke_devices(account.id, now=now)
        # And what it changed of where codes go is taken back, before anything more is written there.
        contact_changes.undo_changes(account.id, now)
    # Also what stops every unfinished sign-in of this account: proofs from before count no more.
    account.stopped_at = account.updated_at = now
    alert(account, "stopped", now=now)
    events.stop_key_used(account_id=account.id, of="code" if stop.challenge_id else "alert", sessions=ended)


def _close_challenge(challenge_id: str) -> tuple[str, ...]:
    """End a challenge for good; return the sessions that it began."""
    state.delete(CHALLENGES, challenge_id)
    if state.add(BEGUN, challenge_id, Begun(is_stopped=True), ttl=settings.messages.stop_lifetime):
        return ()
    closed = state.change(BEGUN, challenge_id, lambda known: replace(known, is_stopped=True))
    return closed.sids if closed else ()

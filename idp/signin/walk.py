"""How a sign-in moves on: the session rises with each proof, and the last one signs the browser in."""

from dataclasses import replace
from datetime import datetime

from flask import redirect, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from idp import clock, metrics, web
from idp.accounts import devices, new_devices
from idp.db import db
from idp.messages.compose import label_device
from idp.mfa import guard
from idp.mfa.levels import Level, level_of
from idp.mfa.overview import Overview
from idp.mfa.reset import note_complete_sign_in
from idp.mfa.sending import forget_unused
from idp.mfa.stopping import note_begun
from idp.session import Proof
from idp.signin import events
from idp.signin.interaction import (
    Interaction,
    Outcome,
    adopt_session,
    change_interaction,
    get_interaction,
    identified_as,
    split_off,
    update_interaction,
    with_proof,
)
from idp.signin.journey import Facts, gather_facts, next_step
from idp.state import StateDown


class NotDue(Exception):
    """The page that was asked for is not the one that is due; ``where`` is."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


def enter(interaction_id: str, *steps: str) -> Facts:
    """Return the facts of this browser's sign-in if one of ``steps`` is due, or raise `NotDue` or `PageError`."""
    now = clock.now()
    interaction = get_interaction(interaction_id)
    if interaction.answered_at is not None:
        raise NotDue(f"/signin/{interaction.id}/already")
    if interaction.outcome is not None:
        raise NotDue(interaction.resume_url)
    # The visitor may have finished in another tab.
    adopted = adopt_session(interaction, web.current_session())
    if adopted is not interaction:
        interaction = update_interaction(interaction, now, account_id=adopted.account_id, proofs=adopted.proofs)
    facts = gather_facts(interaction, now)
    if next_step(facts) not in steps:
        raise NotDue(onward_url(facts, now))
    return facts


def onward(interaction: Interaction) -> Response:
    """Send the browser to what is due next; with 303, so that nothing is ever posted twice (P-03)."""
    return redirect(onward_url(gather_facts(interaction, clock.now()), clock.now()), 303)


def onward_url(facts: Facts, now: datetime) -> str:
    """Return the address of what is due, finishing the sign-in when nothing is."""
    step = next_step(facts)
    if step == "unmet":
        finish(facts.interaction, "unmet", now, reason=facts.decision.reason)
        return facts.interaction.resume_url
    if step is not None:
        return f"/signin/{facts.interaction.id}/{step}"
    complete(facts, now)
    return facts.interaction.resume_url


def finish(interaction: Interaction, outcome: Outcome, now: datetime, *, reason: str | None = None) -> bool:
    """End a sign-in: true for the one caller that ended it."""
    ended = _end(interaction, outcome, now)
    if ended:
        _tell_end(interaction, outcome, reason)
    return ended


def _end(interaction: Interaction, outcome: Outcome, now: datetime) -> bool:
    def _once(old: Interaction) -> Interaction | None:
        return None if old.outcome else replace(old, outcome=outcome, acted_at=now)

    return change_interaction(interaction, _once) is not None


def _reopen(interaction: Interaction) -> None:
    """Let a sign-in go on that this request alone had ended."""
    change_interaction(interaction, lambda old: None if old.answered_at else replace(old, outcome=None))


def _tell_end(interaction: Interaction, outcome: Outcome, reason: str | None) -> None:
    metrics.LOGIN_STEP.labels("end", outcome).inc()
    metrics.SIGN_IN.labels(_method_of(interaction), outcome).inc()
    events.sign_in_ended(
        outcome,
        reason=reason,
        account_id=interaction.account_id,
        client_id=interaction.demand.service_id,
        proofs=(proof.name for proof in interaction.proofs),
    )


def _method_of(interaction: Interaction) -> str:
    """Return what was proved last of a sign-in: besides the password, its second factor."""
    proved = max(interaction.proofs, key=lambda proof: proof.at, default=None)
    return proved.name if proved else "none"


def complete(facts: Facts, now: datetime) -> None:
    """Sign the browser in with what was proved; of many rivals one does.

    When a store fails meanwhile, nothing was begun, and the browser may ask for the same again.
    """
    interaction = replace(facts.interaction, proofs=facts.proofs)
    if not _end(interaction, "done", now):
        return
    try:
        goes_on = _begin_session(facts, interaction, now)
    except (StateDown, SQLAlchemyError):
        db.session.rollback()
        web.undo_sign_in()
        _reopen(interaction)
        raise
    _tell_end(interaction, "done", facts.decision.reason)
    if not goes_on:
        raise web.PageError("expired", 400, "sign-in stopped", restart_url=f"/signin/{interaction.id}/restart")


def _begin_session(facts: Facts, interaction: Interaction, now: datetime) -> bool:
    """Raise the browser's session; false when « Ce n'est pas vous ? » was answered before this. Commits."""
    account, level = facts.account, level_of(proof.name for proof in interaction.proofs)
    session = web.current_session()
    if level is None or account is None:
        raise ValueError("an unfinished sign-in cannot be completed")
    if session is not None and (session.account_id, session.proofs) == (account.id, interaction.proofs):
        return True
    account_id, label = account.id, label_device(request.user_agent.string)
    forgive(account, interaction.proofs, facts.lane)
    web.set_device_cookie(devices.remember_device(web.device_cookie(), account_id, label, now))
    begun = web.sign_in_session(
        account_id=account_id, proofs=interaction.proofs, acr=level.acr, amr=level.amr, now=now, device_label=label
    )
    sid = begun.sid or ""
    if facts.lane == guard.UNKNOWN_DEVICES:
        new_devices.note_new_device(account_id, sid=sid, label=label, now=now)
    if interaction.challenge_id and not note_begun(interaction.challenge_id, sid):
        # Between the right code and here.
        web.end_current_session()
        db.session.commit()
        return False
    db.session.commit()
    time_sign_in(interaction, level, now)
    return True


def forgive(account: Overview, proofs: tuple[Proof, ...], lane: str) -> None:
    """Forget the wrong codes and the unused ones of a device that signs in completely; the caller commits."""
    note_complete_sign_in(account, (proof.name for proof in proofs), lane)
    forget_unused(account.id)


def time_sign_in(interaction: Interaction, level: Level, now: datetime) -> None:
    """Measure how long a sign-in took."""
    metrics.LOGIN_DURATION.labels(level.acr.rsplit(":", 1)[-1]).observe((now - interaction.created_at).total_seconds())


def prove(interaction: Interaction, name: str, now: datetime) -> Interaction:
    """Add a proof to a sign-in and give the browser's session a new id (AC-21)."""
    proved = update_interaction(interaction, now, proofs=with_proof(interaction, name, now))
    try:
        web.renew_session()
    except web.PageError:
        # Another tab of this browser renewed it at the same moment and holds the cookie that counts.
        db.session.commit()
        raise NotDue(f"/signin/{interaction.id}/") from None
    db.session.commit()
    return proved


def identify(interaction: Interaction, account_id: str, now: datetime, *, proof: str = "pwd") -> Interaction:
    """Begin with a person: what another person had proved or was sent in this sign-in is dropped."""
    try:
        web.renew_session()
    except web.PageError:
        # The form was sent twice at once: the other answer took the session along, and the browser, which listens
        # to its last click only, may never see that cookie. What was proved is right here too.
        interaction = split_off(interaction, now)
    known = update_interaction(interaction, now, **identified_as(account_id, proof, now))
    db.session.commit()
    return known

"""The new password that is asked for after somebody stopped a sign-in: once everything else is proved, never before.

Whoever has only the old password does not get here, and so cannot be the one who replaces it.
"""

from datetime import datetime

from flask import request
from werkzeug.wrappers import Response

from idp import clock, session, web
from idp.accounts import directory
from idp.accounts.directories import current_directory, is_kept_outside, password_url
from idp.accounts.models import Account
from idp.accounts.new_passwords import PasswordFault, check_new_password
from idp.accounts.passwords import HashingBusy
from idp.db import db, release
from idp.messages import outbox
from idp.messages.alerts import alert
from idp.messages.compose import label_device
from idp.session import Proof
from idp.settings import settings
from idp.signin import events, waiting
from idp.signin.forms import error, one_field
from idp.signin.interaction import update_interaction
from idp.signin.journey import Facts
from idp.signin.walk import enter, onward
from idp.web import check_csrf, page


def show(interaction_id: str) -> Response:
    """Ask for a new password."""
    facts = enter(interaction_id, "renew")
    if current_directory() is not None:
        return page("signin/renew_elsewhere.html", interaction=facts.interaction.id, url=password_url())
    return _form(facts, None)


def submit(interaction_id: str) -> Response:
    """Take the new password, end every other session, tell the account holder."""
    now, facts = clock.now(), enter(interaction_id, "renew")
    check_csrf(facts.interaction.id)
    if current_directory() is not None:
        return _changed_elsewhere(facts, now)
    account, password = _account(facts), one_field("new_password")
    try:
        check_new_password(password, context=directory.words_about(account))
    except PasswordFault as fault:
        return _form(facts, fault.reason)
    release()
    try:
        directory.set_password(account.id, password, now=now, address=web.client_address())
    except HashingBusy:
        return waiting.send_back(f"/signin/{facts.interaction.id}/renew", interaction=facts.interaction.id)
    held = web.current_session()
    session.end_sessions_of(account.id, now, except_sid=held.sid if held else None)
    changed = directory.get_account(account.id)
    alert(changed, "password-changed", now=now, detail={"device": label_device(request.user_agent.string)})
    db.session.commit()
    outbox.wake()
    # The new password was typed here and now; the old one's proof would end this walk.
    proofs = tuple(Proof("pwd", now) if proof.name == "pwd" else proof for proof in facts.interaction.proofs)
    return onward(update_interaction(facts.interaction, now, proofs=proofs))


def _changed_elsewhere(facts: Facts, now: datetime) -> Response:
    """Ask for the new password, the one that the organisation's directory has now.

    A directory that tells when passwords were changed lifts the stop itself (`accounts/provision.py`), and only after
    a change. Where it does not, the person's word counts: everything else was proved before this page.
    """
    account = _account(facts)
    if not is_kept_outside("password-age"):
        account.stopped_at = None
        held = web.current_session()
        session.end_sessions_of(account.id, now, except_sid=held.sid if held else None)
    events.password_renewed_outside(
        account_id=account.id, directory=settings.directory, on_their_word=not is_kept_outside("password-age")
    )
    db.session.commit()
    proofs = tuple(proof for proof in facts.interaction.proofs if proof.name != "pwd")
    return onward(update_interaction(facts.interaction, now, proofs=proofs))


def _account(facts: Facts) -> Account:
    if facts.account is None:
        raise ValueError("this step needs an account")
    return directory.get_account(facts.account.id)


def _form(facts: Facts, reason: str | None) -> Response:
    minimum = settings.passwords.minimum_length
    errors = [error("new-password", f"e.renew.{reason}", n=minimum)] if reason else []
    context = {"interaction": facts.interaction.id, "errors": errors, "minimum": minimum}
    return page("signin/renew.html", 422 if errors else 200, **context)

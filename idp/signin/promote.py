"""The page that offers face or fingerprint after a sign-in with a code: one press to go on without (U13, U14).

It comes last, when everything that the service asked for is proved; whatever happens here, the way on stays open.
"""

from flask import jsonify, redirect, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from idp import clock
from idp.db import db
from idp.messages.compose import label_device
from idp.mfa import promotion
from idp.mfa.enrolment import NotEnrolled, ask_to_enrol, enrol
from idp.mfa.overview import Overview
from idp.settings import settings
from idp.signin.forms import one_field
from idp.signin.interaction import Interaction, update_interaction
from idp.signin.journey import Facts
from idp.signin.walk import enter, onward
from idp.web import check_csrf, csrf_token, page

_PHONES = ("iPhone", "iPad", "Android")


def enrols_here() -> bool:
    """Tell whether this browser says that it could keep a passkey, and is a phone's if it must be one."""
    is_phone = any(word in request.user_agent.string for word in _PHONES)
    return one_field("platform") == "yes" and (is_phone or not settings.promotion.phones_only)


def show(interaction_id: str) -> Response:
    """Offer it, and count that it was offered; or say that it is on."""
    now, facts = clock.now(), enter(interaction_id, "promote")
    interaction, account = facts.interaction, _account(facts)
    if interaction.promoted_to != account.id:
        # Once for each sign-in, however often the page is loaded.
        interaction = update_interaction(interaction, now, promoted_to=account.id)
        promotion.note_shown(account.id, now)
        db.session.commit()
    is_late = interaction.enrolled is None and not facts.is_fresh(now)
    return _page(interaction, failure="late" if is_late else None)


def ask(interaction_id: str) -> Response:
    """Answer the page's script with what `navigator.credentials.create()` needs."""
    facts, now = enter(interaction_id, "promote"), clock.now()
    check_csrf(facts.interaction.id)
    if not facts.is_fresh(now):
        return _too_late(facts)
    return jsonify(ask_to_enrol(_account(facts), place=_place(facts)))


def add(interaction_id: str) -> Response:
    """Keep what the phone made."""
    facts, now = enter(interaction_id, "promote"), clock.now()
    check_csrf(facts.interaction.id)
    if not facts.is_fresh(now):
        return _too_late(facts)
    account, interaction = _account(facts), facts.interaction
    account_id = account.id
    device = label_device(request.user_agent.string)
    try:
        added = enrol(account, one_field("answer"), place=_place(facts), device=device, now=now)
    except NotEnrolled:
        promotion.record("refused", account_id)
        return _page(interaction, failure="failed", status=422)
    promotion.record("enrolled", account_id)
    update_interaction(interaction, now, enrolled=added.name)
    return redirect(f"/signin/{interaction.id}/promote", 303)


def decide(interaction_id: str) -> Response:
    """Go on to the service: now, or now and for ever without being asked again."""
    now, facts = clock.now(), enter(interaction_id, "promote")
    interaction, account_id = facts.interaction, _account(facts).id
    check_csrf(interaction.id)
    decision = one_field("decision")
    if decision not in {"later", "never"}:
        raise BadRequest("no decision")
    if decision == "never":
        promotion.note_declined(account_id, now)
        db.session.commit()
    elif interaction.enrolled is None:
        promotion.record("later", account_id)
    return onward(update_interaction(interaction, now, postponed=(*interaction.postponed, "promote")))


def _too_late(facts: Facts) -> Response:
    """Whoever comes back after lunch may be somebody else: what was proved is too old for a way in that stays (R6)."""
    promotion.record("late", _account(facts).id)
    return _page(facts.interaction, failure="late", status=422)


def _page(interaction: Interaction, *, failure: str | None = None, status: int = 200) -> Response:
    context = {"interaction": interaction.id, "enrolled": interaction.enrolled, "failure": failure}
    return page("signin/promote.html", status, **context)


def _account(facts: Facts) -> Overview:
    if facts.account is None:
        raise ValueError("this step needs an account")
    return facts.account


def _place(facts: Facts) -> str:
    """Return what binds a challenge to this browser and this sign-in."""
    return csrf_token(f"promote:{facts.interaction.id}")

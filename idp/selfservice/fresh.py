"""Whether a sign-in is recent enough for an act that is hard to undo (ASVS 7.5.1, NIST SP 800-63B-4 §4.6).

Fresh are proofs that reach a level and are all at most five minutes old, or a whole sign-in that was asked for here
and ended at most five minutes ago: a message that took six minutes must not have the person begin again.
"""

from dataclasses import dataclass
from datetime import datetime

from flask import redirect
from werkzeug.wrappers import Response

from idp.mfa.levels import level_of
from idp.selfservice.entry import OPEN_VIEWS, RESUME, SignInFirst, blueprint, current_holder
from idp.session import Session
from idp.settings import settings
from idp.signin.interaction import Interaction, get_interaction
from idp.state import Space, state
from idp.web import PageError, current_session, page

OPEN_VIEWS.add("account.resume")


@dataclass(frozen=True)
class FreshSignIn:
    """When a sign-in ended that proved everything anew."""

    at: datetime


# By session. What one session proved is worth nothing in another, and ends with it.
FRESH = Space("fresh-sign-in", FreshSignIn, once=True)


def require_fresh(now: datetime) -> None:
    """Return if the person proved a moment ago that it is them; else lead through the sign-in and back."""
    if not is_fresh(current_holder().session, now):
        raise SignInFirst(fresh_after=now - settings.lifetimes.fresh_proof)


@blueprint.get("/resume/<interaction_id>")
def resume(interaction_id: str) -> Response:
    """Go on where the sign-in was due."""
    interaction = get_interaction(interaction_id, RESUME)
    if interaction.outcome is None:
        return redirect(f"/signin/{interaction.id}/", 303)
    if interaction.outcome != "done":
        return page("account/stopped.html")
    session = current_session()
    wanted = interaction.demand.account_id
    if session is None or session.account_id != interaction.account_id or wanted not in {None, session.account_id}:
        raise PageError("expired", 400, "another person is signed in", restart_url="/account")
    _remember(session, interaction)
    return redirect(str(interaction.payload["to"]), 303)


def is_fresh(session: Session, now: datetime) -> bool:
    """Tell whether a session holds proofs of the last minutes."""
    since = now - settings.lifetimes.fresh_proof
    if level_of(proof.name for proof in session.proofs if proof.at > since) is not None:
        return True
    marked = state.get(FRESH, session.sid or "")
    return marked is not None and marked.at > since


def _remember(session: Session, interaction: Interaction) -> None:
    """Note that a sign-in which counted nothing old has ended."""
    since = interaction.demand.fresh_after
    if since is None or session.sid is None:
        return
    if level_of(proof.name for proof in interaction.proofs if proof.at > since) is not None:
        state.put(FRESH, session.sid, FreshSignIn(interaction.acted_at), ttl=settings.lifetimes.fresh_proof)

"""Who may enter the console: administrators who signed in with a passkey and acted in the last quarter of an hour.

The way in is the provider's own sign-in at the level `phr`, asked for anew each time: what a browser has proved before
to somebody else opens nothing here (AC-193). Whoever is not an administrator is told so, with 403, on every page
(AC-195); whoever comes from another network is told that there is nothing (AC-194).
"""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import cast

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from idp import audit, clock, i18n
from idp.admin.actors import Actor
from idp.admin.administrators import find_administrator_of
from idp.i18n import _
from idp.mfa.levels import level_of
from idp.selfservice.entry import SignInFirst, find_holder
from idp.settings import settings
from idp.signin.interaction import Demand, get_interaction, start_interaction
from idp.state import Space, state
from idp.web import PageError, check_csrf, current_session, ensure_session, page

blueprint = Blueprint("admin", __name__, url_prefix="/admin")
RESUME = "/admin/resume"
CSRF_SCOPE = "admin"
LEVEL = "phr"
# Views that answer visitors who are not signed in; each says itself what it lets them do.
OPEN_VIEWS = {"admin.resume"}


@dataclass(frozen=True)
class ConsoleSession:
    """That a browser session entered the console, by a passkey proved for it at ``entered_at``."""

    name: str
    entered_at: datetime


# By session: ends with it, or when nothing was done in it for `admin.session_idle`.
CONSOLE = Space("admin-session", ConsoleSession, once=True)


def is_reachable_from(address: str | None) -> bool:
    """Tell whether the administration answers at an address (ASVS 8.4.2, 13.4.5)."""
    try:
        here = ip_address((address or "").split("%")[0])
    except ValueError:
        return False
    return any(here in network for network in settings.admin.reachable_from)


def current_actor() -> Actor:
    """Return who acts."""
    return cast(Actor, g.actor)


def need(permission: str) -> None:
    """Raise `Forbidden` unless whoever acts has the permission: a page that is not theirs is not shown either."""
    current_actor().require(permission)


@blueprint.before_request
def let_in() -> Response | None:
    """Let administrators in, and forms of our own pages."""
    if not is_reachable_from(request.remote_addr):
        abort(404)
    if request.endpoint in OPEN_VIEWS:
        return None
    holder = find_holder()
    if holder is None:
        raise SignInFirst
    known = find_administrator_of(holder.account_id)
    if known is None or known.disabled_at is not None:
        return page("admin/refused.html", 403)
    entered = state.get(CONSOLE, holder.sid)
    if entered is None or entered.name != known.name or holder.session.acr != LEVEL:
        raise SignInFirst(clock.now())
    state.put(CONSOLE, holder.sid, entered, ttl=settings.admin.session_idle)
    g.actor = Actor(known.name, known.permissions, "console", proved_at=entered.entered_at)
    if request.method == "POST":
        check_csrf(CSRF_SCOPE)
    return None


@blueprint.errorhandler(SignInFirst)
def lead_to_sign_in(due: SignInFirst) -> Response:
    """Lead through the sign-in, and back to this page: what a form held is typed again."""
    back_to = request.path if request.method == "GET" else "/admin"
    return prove_first(back_to, is_known=due.fresh_after is not None)


def prove_first(back_to: str, *, is_known: bool) -> Response:
    """Lead through a sign-in in which the passkey is shown anew, and then to ``back_to``."""
    session, now = ensure_session(), clock.now()
    demand = Demand(
        service=_("admin.title"),
        service_id="admin",
        levels=(LEVEL,),
        fresh_after=now,
        # Whoever is in proves it again; another person signs out first.
        account_id=session.account_id if is_known else None,
        locale=i18n.current_locale(),
    )
    interaction = start_interaction(
        session=session, demand=demand, payload={"to": back_to}, resume_at=RESUME, restart_url="/admin", now=now
    )
    return redirect(f"/signin/{interaction.id}/", 303)


@blueprint.get("/resume/<interaction_id>")
def resume(interaction_id: str) -> Response:
    """Go on where the sign-in was due."""
    interaction = get_interaction(interaction_id, RESUME)
    if interaction.outcome is None:
        return redirect(f"/signin/{interaction.id}/", 303)
    if interaction.outcome != "done":
        return page("admin/stopped.html", 403, unmet=interaction.outcome == "unmet")
    session = current_session()
    if session is None or session.sid is None or session.account_id != interaction.account_id:
        raise PageError("expired", 400, "another person is signed in", restart_url="/admin")
    since = interaction.demand.fresh_after
    proofs = [proof for proof in interaction.proofs if since is not None and proof.at > since]
    level = level_of(proof.name for proof in proofs)
    known = find_administrator_of(session.account_id or "")
    if level is not None and level.acr == LEVEL and known is not None and known.disabled_at is None:
        entered = ConsoleSession(known.name, min(proof.at for proof in proofs))
        state.put(CONSOLE, session.sid, entered, ttl=settings.admin.session_idle)
        audit.record("admin-sign-in", administrator=known.name)
    return redirect(str(interaction.payload["to"]), 303)

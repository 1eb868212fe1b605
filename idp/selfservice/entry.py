"""Who may enter /account: the holder of a complete sign-in, and nobody else; each form proves that it is our own.

Both are asked here, before any view: a new section cannot forget them. The walk there and back is the ordinary
sign-in; where it leads is kept in the interaction, never in an address.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, i18n
from idp.accounts import directory
from idp.accounts.models import Account
from idp.i18n import _
from idp.mfa.levels import level_of
from idp.session import Session
from idp.signin.interaction import Demand, start_interaction
from idp.web import check_csrf, current_session, ensure_session, page

blueprint = Blueprint("account", __name__, url_prefix="/account")
RESUME = "/account/resume"
# Also what the audit trail calls us where it names relying parties.
SERVICE_ID = "account"
CSRF_SCOPE = "account"
# Views that answer visitors who are not signed in; each says itself what it lets them do.
OPEN_VIEWS: set[str] = set()


class SignInFirst(Exception):
    """A sign-in is due before this act; ``fresh_after`` when an older one does not count."""

    def __init__(self, fresh_after: datetime | None = None) -> None:
        super().__init__("sign-in due")
        self.fresh_after = fresh_after


@dataclass(frozen=True)
class Holder:
    """The person whose account is shown, and the session in which they are."""

    account: Account
    session: Session
    sid: str

    @property
    def account_id(self) -> str:
        """Return the account's id, which outlives a rolled-back transaction."""
        return str(self.session.account_id)


def current_holder() -> Holder:
    """Return who is signed in here."""
    return cast(Holder, g.holder)


def find_holder() -> Holder | None:
    """Return whose complete sign-in this browser holds, if it may still be used."""
    session = current_session()
    if session is None or session.account_id is None or session.sid is None or session.auth_time is None:
        return None
    account = directory.find_account(session.account_id)
    if account is None or account.status != "active":
        return None
    changed = account.password_changed_at
    # Whatever changes a password ends the other sessions; one that slipped through is not let in either.
    if changed is not None and changed > session.auth_time:
        return None
    stopped = account.stopped_at
    if stopped is not None and level_of(proof.name for proof in session.proofs if proof.at > stopped) is None:
        return None
    return Holder(account, session, session.sid)


@blueprint.before_request
def let_in() -> None:
    """Let holders of a complete sign-in in, and forms of our own pages."""
    if request.endpoint in OPEN_VIEWS:
        return
    holder = find_holder()
    if holder is None:
        raise SignInFirst
    g.holder = holder
    if request.method == "POST":
        check_csrf(CSRF_SCOPE)


@blueprint.errorhandler(SignInFirst)
def lead_to_sign_in(due: SignInFirst) -> BaseResponse:
    """Lead through the sign-in, and back to this section's page: what a form held is typed again."""
    session = ensure_session()
    demand = Demand(
        service=_("account.title"),
        service_id=SERVICE_ID,
        fresh_after=due.fresh_after,
        # Whoever is signed in proves it again; another person signs out first.
        account_id=session.account_id if due.fresh_after else None,
        locale=i18n.current_locale(),
    )
    back_to = _page_of(request.path)
    payload = {"to": f"{back_to}?confirmed" if due.fresh_after else back_to}
    interaction = start_interaction(
        session=session, demand=demand, payload=payload, resume_at=RESUME, restart_url=back_to, now=clock.now()
    )
    return redirect(f"/signin/{interaction.id}/", 303)


def show(template: str, status: int = 200, **context: object) -> Response:
    """Show a page of the account; after a sign-in that was asked for once more, it says that one may go on."""
    return page(
        f"account/{template}.html", status, **{"errors": [], "confirmed": "confirmed" in request.args, **context}
    )


def _page_of(path: str) -> str:
    """Return the page on which a form stands: the first two words of its address."""
    return "/".join(path.split("/")[:3])

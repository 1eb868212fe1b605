"""Where a person is signed in: browsers that are, ending one from afar, ending all (ASVS 7.5.2)."""

from flask import Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, metrics, session
from idp.messages import outbox
from idp.oidc.sign_out import sign_out_elsewhere, sign_out_everywhere
from idp.selfservice.entry import blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.signin.forms import one_field
from idp.web import PageError, end_current_session, page


@blueprint.get("/sessions")
def sessions_page() -> Response:
    """List the browsers in which the account is open."""
    holder = current_holder()
    return show("sessions", sessions=session.list_sessions(holder.account_id, clock.now()), here=holder.sid)


@blueprint.post("/sessions/end")
def session_end() -> BaseResponse:
    """Sign out of one other browser; somebody else's session is none (AC-169)."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    sid = one_field("sid")
    if sid == holder.sid:
        return redirect("/logout", 303)
    if not sign_out_elsewhere(holder.account_id, sid, now):
        raise PageError("not_found", 404, "no such session of this account")
    outbox.wake()
    metrics.ACCOUNT.labels("session-ended").inc()
    return redirect("/account/sessions", 303)


@blueprint.post("/sessions/everywhere")
def sessions_everywhere() -> BaseResponse:
    """Sign out of every browser, app and device, of this one too (AC-171)."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    end_current_session()
    sign_out_everywhere(holder.account_id, now, reason="asked")
    outbox.wake()
    metrics.ACCOUNT.labels("everywhere").inc()
    answer = page("account/signed_out.html")
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer

"""Which services know a person, what they were told, which apps and devices stay connected, and ending that."""

from flask import Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, i18n, metrics
from idp.oidc.connections import disconnect_grant, disconnect_service, list_connections
from idp.selfservice.entry import blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.signin.forms import one_field
from idp.web import PageError


@blueprint.get("/services")
def services_page() -> Response:
    """List the services that the account is used for."""
    locale = i18n.current_locale()
    return show("services", services=list_connections(current_holder().account_id, locale, clock.now()))


@blueprint.post("/services/disconnect")
def service_disconnect() -> BaseResponse:
    """Withdraw what a service was allowed, and end its tokens."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    if not disconnect_service(holder.account_id, one_field("service"), now):
        raise PageError("not_found", 404, "no such service of this account")
    metrics.ACCOUNT.labels("service-disconnected").inc()
    return redirect("/account/services", 303)


@blueprint.post("/services/grant")
def grant_disconnect() -> BaseResponse:
    """Disconnect one app or device; somebody else's is none."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    if not disconnect_grant(holder.account_id, one_field("grant"), now):
        raise PageError("not_found", 404, "no such grant of this account")
    metrics.ACCOUNT.labels("grant-disconnected").inc()
    return redirect("/account/services", 303)

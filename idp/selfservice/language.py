"""The language in which we write to a person, which is that of the pages in this browser too."""

from flask import Response, redirect
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, metrics
from idp.db import db
from idp.i18n import languages
from idp.selfservice import events
from idp.selfservice.entry import blueprint, current_holder, show
from idp.signin.forms import one_field


@blueprint.get("/language")
def language_page() -> Response:
    """Offer the languages."""
    return show("language", languages=list(languages()), chosen=current_holder().account.locale)


@blueprint.post("/language")
def language_submit() -> BaseResponse:
    """Keep the choice with the account, and show it."""
    account, chosen = current_holder().account, one_field("language")
    if chosen not in dict(languages()):
        raise BadRequest("no such language")
    account.locale, account.updated_at = chosen, clock.now()
    db.session.commit()
    metrics.ACCOUNT.labels("language").inc()
    events.language_changed(account_id=account.id)
    return redirect(f"/account/language?ui_locales={chosen}", 303)

"""Recovery codes: ten on a sheet that is shown once; how many are left; a new sheet, or none."""

from flask import Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, metrics
from idp.db import db
from idp.messages import outbox
from idp.mfa.recovery_codes import (
    HOW_MANY,
    count_recovery_codes,
    forget_recovery_codes,
    made_at,
    make_recovery_codes,
)
from idp.selfservice import events
from idp.selfservice.entry import blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.selfservice.telling import tell


@blueprint.get("/recovery")
def recovery_page() -> Response:
    """Say how many codes are left, and offer a sheet."""
    account_id = current_holder().account_id
    left = count_recovery_codes(account_id)
    return show("recovery", left=left, made_at=made_at(account_id), how_many=HOW_MANY)


@blueprint.post("/recovery")
def recovery_make() -> Response:
    """Make a new sheet and show it: the answer of this form is the only page that ever holds the codes."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    codes = make_recovery_codes(holder.account_id, now)
    tell(holder.account, "recovery-codes-made", now=now)
    db.session.commit()
    outbox.wake()
    metrics.FACTOR.labels("recovery", "made").inc()
    events.recovery_codes_made(account_id=holder.account_id)
    return show("recovery_codes", codes=codes, made_at=now)


@blueprint.post("/recovery/remove")
def recovery_remove() -> BaseResponse:
    """Make the sheet worthless."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    if count_recovery_codes(holder.account_id):
        forget_recovery_codes(holder.account_id)
        tell(holder.account, "factor-removed", now=now)
        db.session.commit()
        outbox.wake()
        events.recovery_codes_removed(account_id=holder.account_id)
    return redirect("/account/recovery", 303)

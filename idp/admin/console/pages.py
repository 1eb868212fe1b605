"""What every page of the console has: who is there, and how a refusal reads."""

from typing import Any

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from idp.admin.entry import blueprint, current_actor
from idp.admin.faults import Refused
from idp.db import db
from idp.web import page


def show(template: str, status: int = 200, **context: Any) -> Response:
    """Show a page of the console."""
    return page(f"admin/{template}.html", status, **{"who": current_actor(), "errors": [], **context})


@blueprint.errorhandler(Refused)
def refused(refusal: Refused) -> BaseResponse:
    """Say why nothing was done."""
    db.session.rollback()
    return show("problem", refusal.status, text=refusal.kind, detail=refusal.detail)

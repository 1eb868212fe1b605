"""What every page of the console has: who is there, what waits, and how a refusal reads."""

from datetime import datetime
from typing import Any

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from idp.admin import changes
from idp.admin.console.wording import find_wording, word
from idp.admin.entry import blueprint, current_actor
from idp.admin.faults import Conflict, Forbidden, Invalid, NotFound, Refused, Stale, TooOften
from idp.db import db
from idp.i18n import _
from idp.signin.forms import FieldError
from idp.web import page

# What the page says of a refusal.
_TEXTS: dict[type[Refused], str] = {
    Forbidden: "admin.refused.forbidden",
    NotFound: "admin.refused.not_found",
    Conflict: "admin.refused.conflict",
    Stale: "admin.refused.stale",
    Invalid: "admin.refused.invalid",
    TooOften: "admin.refused.too_often",
}


def show(template: str, status: int = 200, **context: Any) -> Response:
    """Show a page of the console."""
    return page(f"admin/{template}.html", status, **{**frame(), **context})


def frame() -> dict[str, Any]:
    """Return what the frame of a page needs."""
    who = current_actor()
    return {
        "who": who,
        "waiting": changes.count_waiting() if who.may("clients.read") else 0,
        "emergencies": changes.unreviewed_emergencies() if who.may("clients.read") else [],
        "errors": [],
        "moment": datetime.fromisoformat,
    }


def field_errors(refusal: Refused) -> list[FieldError]:
    """Return the faults of a refusal beside their fields."""
    return [FieldError(name.split(".")[0] or "form", word(message)) for name, message in refusal.faults] or [
        FieldError("form", find_wording(refusal.detail) or text_of(refusal))
    ]


def text_of(refusal: Refused) -> str:
    """Return what a person reads of a refusal."""
    return _(next(text for kind, text in _TEXTS.items() if isinstance(refusal, kind)))


@blueprint.errorhandler(Refused)
def refused(refusal: Refused) -> BaseResponse:
    """Say why nothing was done."""
    db.session.rollback()
    reasons = [word(why) for _name, why in refusal.faults]
    if not reasons and (known := find_wording(refusal.detail)):
        reasons = [known]
    return show("problem", refusal.status, text=text_of(refusal), reasons=reasons)

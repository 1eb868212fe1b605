"""« Ce n'est pas vous ? »: the page where a stop key is typed. Opening it does nothing; only its form does.

A key names nobody, and neither does the answer: a wrong key and one that is over are told the same. Tries are counted
before a key is looked up.
"""

import math
from datetime import datetime

from flask import Blueprint
from werkzeug.wrappers import Response

from idp import clock, metrics, ratelimit
from idp.messages.stops import parse_stop
from idp.mfa.stopping import stop_by_key
from idp.ratelimit import Window
from idp.settings import settings
from idp.signin.forms import error, one_field
from idp.web import check_csrf, client_address, ensure_session, page

blueprint = Blueprint("stop", __name__)
CSRF_SCOPE = "stop"


@blueprint.get("/stop")
def stop_page() -> Response:
    """Ask for the stop key of a message; this stops nothing, and no address fills the key in."""
    ensure_session()
    return page("stop/enter.html", errors=[], typed="")


@blueprint.post("/stop")
def stop_submit() -> Response:
    """Stop what the typed key is for."""
    check_csrf(CSRF_SCOPE)
    now, typed = clock.now(), one_field("stop_key")
    letters = parse_stop(typed)
    if letters is None:
        return _again(typed, "e.stop.chars" if typed.strip() else "e.stop.empty", 422)
    retry_at = _spend_try(now)
    if retry_at is not None:
        metrics.PAUSES.labels("stop").inc()
        wait = (retry_at - now).total_seconds()
        answer = _again(typed, "e.stop.pause", 429, m=math.ceil(wait / 60))
        answer.headers["Retry-After"] = str(math.ceil(wait))
        return answer
    if not stop_by_key(letters, now):
        return _again(typed, "e.stop.unknown", 422)
    return page("stop/done.html")


def _spend_try(now: datetime) -> datetime | None:
    windows = (Window(settings.messages.stop_tries, settings.messages.stop_window),)
    return ratelimit.spend("stop", client_address(), windows=windows, now=now).retry_at


def _again(typed: str, text_id: str, status: int, **values: object) -> Response:
    return page("stop/enter.html", status, errors=[error("stop-key", text_id, **values)], typed=typed[:40])

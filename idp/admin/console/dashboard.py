"""The dashboard: how signing in goes, as plots with their tables, and what is about to expire."""

from zoneinfo import ZoneInfo

from flask import Response, request

from idp import clock
from idp.admin.console.pages import show
from idp.admin.dashboard import SPANS, Span, read_dashboard
from idp.admin.entry import blueprint, need
from idp.admin.plots import lines, stack
from idp.settings import settings


@blueprint.get("/dashboard")
def dashboard_page() -> Response:
    """Show the last day by the hour, or the last week by the day."""
    need("operations.read")
    span: Span = next((one for one in SPANS if one == request.args.get("span")), "day")
    board = read_dashboard(span, clock.now(), ZoneInfo(settings.time_zone))
    return show("dashboard", board=board, spans=list(SPANS), stack=stack, lines=lines)

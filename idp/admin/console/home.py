"""The front page of the console."""

from flask import Response

from idp.admin.console import enrol, support
from idp.admin.entry import blueprint
from idp.web import page

__all__ = ["blueprint", "enrol", "support"]


@blueprint.get("", strict_slashes=False)
def home() -> Response:
    """Show what waits for whoever comes in."""
    return page("admin/home.html")

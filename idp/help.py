"""The pages behind the footer: accessibility, personal data, false messages, easy-to-read help, and the front door."""

from flask import Blueprint, Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp.settings import settings
from idp.web import PageError, page

blueprint = Blueprint("help", __name__)

# The word in the address and the template that answers it.
PAGES = {
    "accessibility": "help/accessibility.html",
    "privacy": "help/privacy.html",
    "false-messages": "help/false_messages.html",
    "easy": "help/easy.html",
}


@blueprint.get("/")
def front_door() -> BaseResponse:
    """Lead a stray visitor to the help: sign-ins begin at a service, never here."""
    return redirect("/help/easy")


@blueprint.get("/help/<name>")
def show(name: str) -> Response:
    """Show one help page."""
    if name not in PAGES:
        raise PageError("not_found", 404, "no such help page")
    return page(PAGES[name], sender=settings.smtp.sender_address)

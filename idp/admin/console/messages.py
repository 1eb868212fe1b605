"""Messages in the console: each as it goes out, with nobody's values, and the texts that it is made of."""

from flask import Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import actions
from idp.admin.changes import list_changes
from idp.admin.console.pages import show
from idp.admin.console.wording import word
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import Invalid, NotFound
from idp.admin.message_acts import describe_text, list_texts, texts_before
from idp.admin.message_samples import make_samples, sample_names
from idp.guard import allow_frames
from idp.settings import settings
from idp.signin.forms import FieldError, one_field

# A mail is styled in place, which our own pages never are: it stands in a document with a policy of its own, which
# `srcdoc` would not have.
_AS_A_MAILBOX = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}


@blueprint.get("/messages")
def messages_page() -> Response:
    """List what goes out, and every text."""
    need("operations.read")
    texts = [{**one, "group": ".".join(str(one["name"]).split(".")[:2])} for one in list_texts()]
    return show("messages", names=sample_names(), texts=texts)


@blueprint.get("/messages/<name>")
def message_page(name: str) -> Response:
    """Show a message in every language, over every channel."""
    need("operations.read")
    if name not in sample_names():
        raise NotFound("no such message")
    allow_frames(("'self'",))
    return show("message", name=name, samples=make_samples(name, clock.now()))


@blueprint.get("/messages/<name>/<locale>.html")
def message_html(name: str, locale: str) -> Response:
    """Show a mail as mailboxes do, for the frame of its page: no script, no request, an origin of its own."""
    need("operations.read")
    found = make_samples(name, clock.now()) if name in sample_names() else []
    mail = next((one.message.html for one in found if one.locale == locale and one.message.html), None)
    if mail is None:
        raise NotFound("no such message")
    return Response(mail, mimetype="text/html", headers=_AS_A_MAILBOX)


@blueprint.get("/texts/<name>")
def text_page(name: str) -> Response:
    """Show a text, and every version there was."""
    need("operations.read")
    return _text(name, {}, [], 200)


@blueprint.post("/texts/<name>")
def text_set(name: str) -> BaseResponse:
    """Ask for other words; a second person approves them."""
    typed = {locale: one_field(f"text-{locale}").strip().replace("\r\n", "\n") for locale in settings.locales}
    try:
        return _after(name, actions.perform(
            current_actor(), "text.set", name, {"texts": typed}, now=clock.now(), reason=one_field("reason"),
            emergency=one_field("emergency") == "yes",
        ))  # fmt: skip
    except Invalid as refusal:
        errors = [FieldError(f"text-{field.removeprefix('texts.')}", word(why)) for field, why in refusal.faults]
        return _text(name, typed, errors, refusal.status)


@blueprint.post("/texts/<name>/reset")
def text_reset(name: str) -> BaseResponse:
    """Say it again as the settings have it."""
    return _after(name, actions.perform(current_actor(), "text.reset", name, {}, now=clock.now()))


@blueprint.post("/texts/<name>/revert")
def text_revert(name: str) -> BaseResponse:
    """Ask for the words from before a change."""
    need("operations.write")
    given = {"texts": texts_before(one_field("change"), name)}
    return _after(name, actions.perform(current_actor(), "text.set", name, given, now=clock.now()))


def _after(name: str, done: actions.Done) -> BaseResponse:
    to = f"changes/{done.change.id}" if done.is_waiting and done.change else f"texts/{name}"
    return redirect(f"/admin/{to}", 303)


def _text(name: str, typed: dict[str, str], errors: list[FieldError], status: int) -> Response:
    found = describe_text(name)
    return show(
        "text", status, errors=errors, text=found, said={**found["texts"], **typed},
        changes=list_changes(acts="text", target=name, limit=10),
    )  # fmt: skip

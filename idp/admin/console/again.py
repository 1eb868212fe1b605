"""What is asked of somebody whose passkey was shown too long ago: it is kept, they show it, and they go on with it.

A form is kept after its token was found to be ours, for who sent it alone, and done only when they press the button of
a page that says what it is: a proof is not yet a decision.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from idp import entropy
from idp.accounts.passwords import HashingBusy
from idp.admin.console.asked import describe_asked
from idp.admin.console.pages import show
from idp.admin.entry import blueprint, current_actor, prove_first
from idp.admin.faults import NotFound, ProofDue
from idp.db import db
from idp.signin import waiting
from idp.state import Space, state

_KEPT: Final = timedelta(minutes=10)
# A document of a client is the largest form; what is larger is typed again.
_LARGEST: Final = 60_000


@dataclass(frozen=True)
class Held:
    """A form that waits for its sender's passkey."""

    name: str
    path: str
    fields: tuple[tuple[str, str], ...]


HELD = Space("admin-held-form", Held)


@blueprint.errorhandler(ProofDue)
def hold(_due: ProofDue) -> BaseResponse:
    """Keep the form, and ask for the passkey."""
    path = _keep()
    return prove_first(path or "/admin", is_known=True)


@blueprint.errorhandler(HashingBusy)
def wait(_busy: HashingBusy) -> BaseResponse:
    """Keep the form until a password can be made: too many people sign in at this moment."""
    return waiting.send_back(_keep() or "/admin", kept="form")


def _keep() -> str | None:
    """Keep the form of this request, and return where it is confirmed; `None` when it is too large."""
    db.session.rollback()
    fields = tuple((name, text) for name, text in request.form.items(multi=True) if name != "csrf")
    if sum(len(name) + len(text) for name, text in fields) > _LARGEST:
        return None
    ticket = entropy.identifier()
    state.put(HELD, ticket, Held(current_actor().name, request.path, fields), ttl=_KEPT)
    return f"/admin/again/{ticket}"


@blueprint.get("/again/<ticket>")
def again(ticket: str) -> Response:
    """Show what was asked, to be sent once more; raises `NotFound` when it is another's, or too old."""
    held = state.get(HELD, ticket) if len(ticket) <= 22 else None
    if held is None or held.name != current_actor().name:
        raise NotFound("nothing is kept under this address any more")
    return show("again", held=held, asked=describe_asked(held.path, held.fields))

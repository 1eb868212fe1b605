"""A client tried out in the console: begun by a button, ended at an address of our own, shown without a token."""

from urllib.parse import urlencode

from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import trial
from idp.admin.client_acts import get_client
from idp.admin.console.pages import show
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import NotFound
from idp.oidc.trials import end_trial
from idp.selfservice.entry import Holder, find_holder


@blueprint.post("/clients/<client_id>/trial")
def trial_begin(client_id: str) -> BaseResponse:
    """Begin a real sign-in of the client, as whoever presses the button."""
    request_uri = trial.begin(current_actor(), client_id, sid=_holder().sid, now=clock.now())
    return redirect(f"/authorize?{urlencode({'client_id': client_id, 'request_uri': request_uri})}", 303)


@blueprint.get("/trial/<trial_id>")
def trial_end(trial_id: str) -> BaseResponse:
    """Take the answer of a trial that this browser began, once."""
    need(trial.PERMISSION)
    holder = _holder()
    ended = end_trial(trial_id, sid=holder.sid)
    if ended is None or ended.by != current_actor().name:
        raise NotFound("no such trial of yours")
    trial.finish(ended, request.args.to_dict(), holder.account_id, clock.now())
    return redirect(f"/admin/clients/{ended.client_id}/trial/{ended.id}", 303)


@blueprint.get("/clients/<client_id>/trial/<trial_id>")
def trial_shown(client_id: str, trial_id: str) -> Response:
    """Show what the tokens of a trial said; they are revoked by now."""
    need(trial.PERMISSION)
    tried = trial.find_tried(trial_id, client_id=client_id, sid=_holder().sid)
    if tried is None:
        raise NotFound("no such trial of yours")
    return show("trial", client=get_client(client_id), tried=tried, told=trial.TOLD)


def _holder() -> Holder:
    holder = find_holder()
    if holder is None:
        raise NotFound("nobody is signed in")
    return holder

"""The addresses of a sign-in: which function answers each page; every page can be reloaded, none sends on GET."""

from flask import Blueprint, redirect
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from idp import clock, i18n
from idp.accounts.contacts import mask_email
from idp.i18n import _
from idp.signin import at_hand, code, forgot, identify, passkey, plugged, promote, renew
from idp.signin.forms import one_field
from idp.signin.interaction import find_restart, get_interaction, update_interaction
from idp.signin.journey import STEPS
from idp.signin.walk import NotDue, enter, finish, onward
from idp.web import PageError, check_csrf, page

blueprint = Blueprint("signin", __name__, url_prefix="/signin")
EVERY_STEP = tuple(step.name for step in STEPS)


@blueprint.errorhandler(NotDue)
def go_where_due(detour: NotDue) -> Response:
    """Lead a back button, a bookmark or a second tab to the step that is due."""
    return redirect(detour.where, 303)


@blueprint.get("/<interaction_id>/", strict_slashes=False)
@blueprint.get("/<interaction_id>/passkey/options")
@blueprint.get("/<interaction_id>/promote/options")
@blueprint.get("/<interaction_id>/promote/add")
@blueprint.get("/<interaction_id>/resend")
@blueprint.get("/<interaction_id>/cancel")
@blueprint.get("/<interaction_id>/switch")
def index(interaction_id: str) -> Response:
    """Lead to the step that is due."""
    enter(interaction_id)
    raise AssertionError("enter without steps always leads elsewhere")


@blueprint.get("/<interaction_id>/identify")
def identify_page(interaction_id: str) -> Response:
    """Show the form for NIR and password."""
    return identify.show(interaction_id)


@blueprint.post("/<interaction_id>/identify")
def identify_submit(interaction_id: str) -> Response:
    """Answer NIR and password."""
    return identify.submit(interaction_id)


@blueprint.get("/<interaction_id>/forgot")
def forgot_page(interaction_id: str) -> Response:
    """Ask whose password was forgotten."""
    return forgot.show(interaction_id)


@blueprint.post("/<interaction_id>/forgot")
def forgot_submit(interaction_id: str) -> Response:
    """Send a code for a new password, if there is anybody to send it to."""
    return forgot.submit(interaction_id)


@blueprint.post("/<interaction_id>/forgot/resend")
def forgot_resend(interaction_id: str) -> Response:
    """Send the code for a new password once more."""
    return forgot.resend(interaction_id)


@blueprint.get("/<interaction_id>/forgot/code")
def forgot_code_page(interaction_id: str) -> Response:
    """Show the field for the code."""
    return forgot.show_code(interaction_id)


@blueprint.post("/<interaction_id>/forgot/code")
def forgot_code_submit(interaction_id: str) -> Response:
    """Check the code for a new password."""
    return forgot.submit_code(interaction_id)


@blueprint.get("/<interaction_id>/forgot/password")
def forgot_password_page(interaction_id: str) -> Response:
    """Ask for the new password."""
    return forgot.show_password(interaction_id)


@blueprint.post("/<interaction_id>/forgot/password")
def forgot_password_submit(interaction_id: str) -> Response:
    """Take the new password."""
    return forgot.submit_password(interaction_id)


@blueprint.get("/<interaction_id>/lost")
def lost_page(interaction_id: str) -> Response:
    """Say what is left to someone who has lost everything."""
    return forgot.show_lost(interaction_id)


@blueprint.get("/<interaction_id>/passkey")
def passkey_page(interaction_id: str) -> Response:
    """Ask for the passkey, where nothing else will do."""
    return passkey.show(interaction_id)


@blueprint.post("/<interaction_id>/passkey/options")
def passkey_options(interaction_id: str) -> Response:
    """Give the browser a challenge for a passkey."""
    return passkey.ask(interaction_id)


@blueprint.post("/<interaction_id>/passkey")
def passkey_submit(interaction_id: str) -> Response:
    """Check a passkey's answer."""
    return passkey.submit(interaction_id)


@blueprint.get("/<interaction_id>/authenticator")
def authenticator_page(interaction_id: str) -> Response:
    """Ask for a code of the visitor's app."""
    return at_hand.show_authenticator(interaction_id)


@blueprint.post("/<interaction_id>/authenticator")
def authenticator_submit(interaction_id: str) -> Response:
    """Check a code of the visitor's app."""
    return at_hand.submit_authenticator(interaction_id)


@blueprint.get("/<interaction_id>/factor")
def factor_first_page(interaction_id: str) -> Response:
    """Lead to the factor of a plug-in."""
    return plugged.show_first(interaction_id)


@blueprint.get("/<interaction_id>/factor/<name>")
def factor_page(interaction_id: str, name: str) -> Response:
    """Ask for the factor of a plug-in."""
    return plugged.show(interaction_id, name)


@blueprint.post("/<interaction_id>/factor/<name>")
def factor_submit(interaction_id: str, name: str) -> Response:
    """Let a plug-in judge what was typed."""
    return plugged.submit(interaction_id, name)


@blueprint.get("/<interaction_id>/recovery")
def recovery_page(interaction_id: str) -> Response:
    """Ask for a recovery code."""
    return at_hand.show_recovery(interaction_id)


@blueprint.post("/<interaction_id>/recovery")
def recovery_submit(interaction_id: str) -> Response:
    """Use a recovery code up."""
    return at_hand.submit_recovery(interaction_id)


@blueprint.get("/<interaction_id>/send")
def send_page(interaction_id: str) -> Response:
    """Ask where to send the code."""
    return code.show_send(interaction_id)


@blueprint.post("/<interaction_id>/send")
@blueprint.post("/<interaction_id>/resend")
def send_submit(interaction_id: str) -> Response:
    """Send a code."""
    return code.send(interaction_id)


@blueprint.get("/<interaction_id>/code")
def code_page(interaction_id: str) -> Response:
    """Show the field for the code."""
    return code.show_code(interaction_id)


@blueprint.post("/<interaction_id>/code")
def code_submit(interaction_id: str) -> Response:
    """Check the typed code."""
    return code.submit_code(interaction_id)


@blueprint.get("/<interaction_id>/pause")
def pause_page(interaction_id: str) -> Response:
    """Say until when no code is taken."""
    return code.show_pause(interaction_id)


@blueprint.get("/<interaction_id>/no-access")
def no_access_page(interaction_id: str) -> Response:
    """Say what is left to someone without mailbox or phone."""
    return code.show_no_access(interaction_id)


@blueprint.get("/<interaction_id>/no-channel")
def no_channel_page(interaction_id: str) -> Response:
    """Say that the account has nowhere to send a code to."""
    facts = enter(interaction_id, "no-channel")
    return page("signin/no_channel.html", 403, interaction=facts.interaction.id)


@blueprint.get("/<interaction_id>/switched-off")
def switched_off_page(interaction_id: str) -> Response:
    """Say that what is needed cannot be done for now; the sign-in waits."""
    facts = enter(interaction_id, "switched-off")
    answer = page("signin/switched_off.html", 503, interaction=facts.interaction.id, switched_off=facts.switched_off)
    answer.headers["Retry-After"] = "60"
    return answer


@blueprint.get("/<interaction_id>/restricted")
def restricted_page(interaction_id: str) -> Response:
    """Say that this account cannot sign in now, and whom to ask."""
    facts = enter(interaction_id, "restricted")
    return page("signin/restricted.html", 403, interaction=facts.interaction.id, passkey=False)


@blueprint.get("/<interaction_id>/renew")
def renew_page(interaction_id: str) -> Response:
    """Ask for a new password after a sign-in was stopped."""
    return renew.show(interaction_id)


@blueprint.post("/<interaction_id>/renew")
def renew_submit(interaction_id: str) -> Response:
    """Take the new password."""
    return renew.submit(interaction_id)


@blueprint.get("/<interaction_id>/address")
def address_page(interaction_id: str) -> Response:
    """Say that mails to the visitor's address come back, and that another one is needed."""
    facts = enter(interaction_id, "address")
    masked = mask_email(facts.account.email or "") if facts.account else None
    return page("signin/address.html", interaction=facts.interaction.id, masked=masked)


@blueprint.post("/<interaction_id>/address")
def address_later(interaction_id: str) -> Response:
    """Put the new address off to another time."""
    interaction = enter(interaction_id, "address").interaction
    check_csrf(interaction.id)
    return onward(update_interaction(interaction, clock.now(), postponed=(*interaction.postponed, "address")))


@blueprint.get("/<interaction_id>/consent")
def consent_page(interaction_id: str) -> Response:
    """Say what the service will learn, before it does."""
    interaction = enter(interaction_id, "consent").interaction
    purposes, details = interaction.demand.consent_purposes, interaction.demand.consent_details
    items = [(_(item), i18n.text_in(purposes.get(item, {}))) for item in interaction.demand.consent_to or ()]
    return page("signin/consent.html", interaction=interaction.id, items=items, details=details)


@blueprint.post("/<interaction_id>/consent")
def consent_submit(interaction_id: str) -> Response:
    """Take the visitor's decision."""
    now = clock.now()
    interaction = enter(interaction_id, "consent").interaction
    check_csrf(interaction.id)
    decision = one_field("decision")
    if decision not in {"allow", "deny"}:
        raise BadRequest("no decision")
    if decision == "deny":
        finish(interaction, "cancelled", now)
        return redirect(interaction.resume_url, 303)
    return onward(update_interaction(interaction, now, consented=True))


@blueprint.get("/<interaction_id>/promote")
def promote_page(interaction_id: str) -> Response:
    """Offer face or fingerprint for the next time."""
    return promote.show(interaction_id)


@blueprint.post("/<interaction_id>/promote")
def promote_decide(interaction_id: str) -> Response:
    """Go on to the service without it."""
    return promote.decide(interaction_id)


@blueprint.post("/<interaction_id>/promote/options")
def promote_options(interaction_id: str) -> Response:
    """Give the browser a challenge for a new passkey."""
    return promote.ask(interaction_id)


@blueprint.post("/<interaction_id>/promote/add")
def promote_add(interaction_id: str) -> Response:
    """Keep a new passkey."""
    return promote.add(interaction_id)


@blueprint.post("/<interaction_id>/cancel")
def cancel(interaction_id: str) -> Response:
    """End the sign-in and go back to the service."""
    interaction = enter(interaction_id, *EVERY_STEP).interaction
    check_csrf(interaction.id)
    finish(interaction, "cancelled", clock.now())
    return redirect(interaction.resume_url, 303)


@blueprint.post("/<interaction_id>/switch")
def switch(interaction_id: str) -> Response:
    """Let another person sign in here."""
    interaction = enter(interaction_id, *EVERY_STEP).interaction
    check_csrf(interaction.id)
    nobody = {"account_id": None, "proofs": (), "challenge_id": None, "consented": None, "switched": True}
    return onward(update_interaction(interaction, clock.now(), **nobody))


@blueprint.get("/<interaction_id>/already")
def already_page(interaction_id: str) -> Response:
    """Say that this sign-in is over, and offer the way on."""
    interaction = get_interaction(interaction_id)
    if interaction.answered_at is None:
        return redirect(f"/signin/{interaction.id}/", 303)
    return page("signin/already.html", interaction=interaction.id, continue_url=f"/signin/{interaction.id}/restart")


@blueprint.get("/<interaction_id>/restart")
def restart(interaction_id: str) -> Response:
    """Begin the service's request again."""
    url = find_restart(interaction_id)
    if url is None:
        raise PageError("expired", 400, "nothing to restart")
    return redirect(url, 303)

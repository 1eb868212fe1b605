"""The second step: where to send the code, sending it, and typing it."""

import math
from datetime import datetime, timedelta
from typing import Any

from flask import redirect, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from idp import clock, metrics
from idp.db import db
from idp.i18n import _, current_locale
from idp.messages import outbox
from idp.messages.channel_health import find_health
from idp.messages.compose import label_device
from idp.messages.undeliverable import forget_undeliverable
from idp.mfa.codes import Challenge, Purpose, Verdict, check_code
from idp.mfa.methods import METHODS
from idp.mfa.overview import Overview
from idp.mfa.sending import NotYet, Occasion, Sent, next_first_send_at, next_send_at, send_code, sends_left
from idp.mfa.typed_code import LONGEST_BYTES, CodeFault, parse_code
from idp.mfa.words import words_of
from idp.settings import settings
from idp.signin.forms import FieldError, error, one_field
from idp.signin.interaction import update_interaction
from idp.signin.journey import Facts
from idp.signin.walk import NotDue, enter, onward, prove
from idp.web import PageError, check_csrf, page

PURPOSE: Purpose = "sign-in"


def show_send(interaction_id: str) -> Response:
    """Ask where to send the code; this sends nothing."""
    facts, now = enter(interaction_id, "send"), clock.now()
    retry_at = next_first_send_at(_account(facts).id, now) if "wait" in request.args else None
    if retry_at is None:
        return _choice(facts, [], 200)
    wait = _seconds(retry_at - now)
    return _with_retry(_choice(facts, [error("channel", "e.send.wait", s=wait)], 429), wait)


def send(interaction_id: str) -> Response:
    """Send a code to the channel that was chosen: the first one, the same again, or one over the other channel."""
    now = clock.now()
    facts = enter(interaction_id, "send", "code")
    check_csrf(facts.interaction.id)
    channel = one_field("channel") or (facts.channels[0] if len(facts.channels) == 1 else "")
    if channel not in facts.channels:
        return _choice(facts, [error("channel", "e.u02.choose")], 422)
    result = _send(facts, channel, now)
    if isinstance(result, NotYet):
        return _not_yet(facts, result, now)
    update_interaction(facts.interaction, now, challenge_id=result.challenge.id)
    db.session.commit()
    outbox.wake()
    metrics.LOGIN_STEP.labels("send", result.kind).inc()
    suffix = "" if result.kind == "first" else f"?sent={result.kind}"
    return redirect(f"/signin/{facts.interaction.id}/code{suffix}", 303)


def show_code(interaction_id: str) -> Response:
    """Show the field for the code, rebuilt from what is known: reloading sends nothing."""
    facts = enter(interaction_id, "code")
    challenge = _challenge(facts)
    delivery = outbox.delivery_of(challenge.subject_ref)
    if delivery is not None and delivery.status in {"refused", "expired"} and challenge.sends == 1:
        context = {**_destination(facts, challenge.channel), **_others(facts), "all_down": False}
        return page("signin/send_failed.html", **context)
    resent = request.args.get("sent")
    return _code_form(facts, [], 200, resent=resent if resent in {"same", "new"} else None, delivery=delivery)


def submit_code(interaction_id: str) -> Response:
    """Check the typed code."""
    now = clock.now()
    facts = enter(interaction_id, "code", "send")
    check_csrf(facts.interaction.id)
    if facts.code_is_being_used:
        raise _rival(facts)
    if not facts.code_is_out:
        raise NotDue(f"/signin/{facts.interaction.id}/send")
    typed = one_field("code")
    if len(typed.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise BadRequest("code field too long")
    try:
        digits = parse_code(typed)
    except CodeFault as fault:
        return _code_form(facts, [error("code", f"e.code.{fault.reason}", n=fault.length)], 422)
    challenge = _challenge(facts)
    verdict = check_code(
        challenge.id, digits, account_id=challenge.account_id, purpose=PURPOSE, lane=facts.lane, now=now
    )  # fmt: skip
    if verdict.outcome == "ok":
        if challenge.channel == "email" and facts.email_bounces:
            forget_undeliverable(challenge.account_id)
        return onward(prove(facts.interaction, facts.code_proof, now))
    if verdict.outcome == "used":
        raise _rival(facts)
    if verdict.outcome in {"paused", "busy"}:
        return redirect(f"/signin/{facts.interaction.id}/", 303)
    return _code_form(facts, _what_is_wrong(verdict), 422)


def _rival(facts: Facts) -> PageError:
    """Return what to say to a form that was sent twice: the other one is signing in under a new session.

    `enter` says the same once that session is there; a moment earlier it would offer to send another code.
    """
    restart_url = f"/signin/{facts.interaction.id}/restart"
    return PageError("other_browser", 403, "code used by a rival request", restart_url=restart_url)


def _what_is_wrong(verdict: Verdict) -> list[FieldError]:
    errors = [error("code", f"e.code.{verdict.outcome}")]
    if verdict.outcome == "wrong" and verdict.tries_left <= 2:
        text_id = "e.code.left1" if verdict.tries_left == 1 else "e.code.left"
        errors.append(error("code", text_id, n=verdict.tries_left))
    return errors


def show_pause(interaction_id: str) -> Response:
    """Say until when no code is taken."""
    facts = enter(interaction_id, "pause")
    until = facts.pause.until if facts.pause else None
    if until is None:
        # The passkey keeps working where codes have stopped (R7).
        return page("signin/restricted.html", 403, interaction=facts.interaction.id, passkey="passkey" in facts.factors)
    wait = _seconds(until - clock.now())
    context = {
        "interaction": facts.interaction.id,
        "until": until,
        "minutes": math.ceil(wait / 60),
        "passkey": "passkey" in facts.factors,
        "at_hand": at_hand(facts),
        "switched_off": facts.switched_off,
    }
    return _with_retry(page("signin/code_pause.html", 429, **context), wait)


def show_no_access(interaction_id: str) -> Response:
    """Say what is left to someone who lost the mailbox or the phone; nothing can be changed in here (U05)."""
    facts = enter(interaction_id, "send", "code", "pause")
    return page("signin/no_access.html", **_others(facts, without_current=False))


def _send(facts: Facts, channel: str, now: datetime) -> Sent | NotYet:
    interaction = facts.interaction
    occasion = Occasion(
        purpose=PURPOSE,
        service=interaction.demand.service,
        device=label_device(request.user_agent.string),
        reference=interaction.reference,
        locale=current_locale(),
    )
    return send_code(
        account=_account(facts),
        method=METHODS[channel],
        challenge_id=interaction.challenge_id,
        occasion=occasion,
        now=now,
    )


def _not_yet(facts: Facts, refusal: NotYet, now: datetime) -> Response:
    wait, challenge = _seconds(refusal.retry_at - now), facts.challenge
    if refusal.is_quota:
        until = challenge.ends_at if challenge and challenge.ends_at > now else None
        context = {"retry_at": refusal.retry_at, "code_until": until, **_others(facts)}
        return _with_retry(page("signin/send_limit.html", 429, **context), wait)
    if challenge is None or not facts.code_is_out:
        # A double click, whose code is on its way by the time this is followed; or another tab, and one has to wait.
        return redirect(f"/signin/{facts.interaction.id}/send?wait=1", 303)
    if now - challenge.sent_at < settings.code.first_resend_after:
        return redirect(f"/signin/{facts.interaction.id}/code", 303)
    return _with_retry(_code_form(facts, [error("code", "e.send.wait", s=wait)], 429), wait)


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))


def _with_retry(answer: Response, seconds: int) -> Response:
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _choice(facts: Facts, errors: list[FieldError], status: int) -> Response:
    channels = [
        {"name": channel, "checked": number == 0, **_shown(_account(facts), channel)}
        for number, channel in enumerate(facts.channels)
    ]
    minutes = settings.code.lifetime // timedelta(minutes=1)
    health = find_health(clock.now())
    context = {
        "interaction": facts.interaction.id,
        "channels": channels,
        "errors": errors,
        "code_minutes": minutes,
        "passkey": "passkey" in facts.factors,
        "at_hand": at_hand(facts),
        "switched_off": facts.switched_off,
        "late": [name for name in facts.channels if health.get(name) in {"slow", "down"}],
    }
    return page("signin/send.html", status, **context)


def _code_form(
    facts: Facts,
    errors: list[FieldError],
    status: int,
    *,
    resent: str | None = None,
    delivery: outbox.Delivery | None = None,
) -> Response:
    challenge, now = _challenge(facts), clock.now()
    delivery = delivery or outbox.delivery_of(challenge.subject_ref)
    words = {"accepted": "accepted", "delivered": "delivered", "refused": "refused", "expired": "refused"}
    context = {
        **_destination(facts, challenge.channel),
        **_others(facts),
        "errors": errors,
        "words": words_of(challenge.id),
        "sent_at": challenge.sent_at,
        "delivery": words.get(delivery.status, "queued") if delivery else "queued",
        "delivered_at": delivery.at if delivery else None,
        "resent": resent,
        "expires_at": challenge.ends_at,
        "code_minutes": settings.code.lifetime // timedelta(minutes=1),
        "expires_in": max(0, math.ceil((challenge.ends_at - now).total_seconds())),
        "expired": now >= challenge.ends_at,
        "resend_in": max(0, math.ceil((next_send_at(challenge) - now).total_seconds())),
        "sends_left": sends_left(challenge.account_id, now),
        "sender": settings.sms.sender if challenge.channel == "sms" else settings.smtp.sender_address,
    }
    return page("signin/code.html", status, **context)


def _destination(facts: Facts, channel: str) -> dict[str, Any]:
    return {"interaction": facts.interaction.id, "channel": channel, **_shown(_account(facts), channel)}


def _others(facts: Facts, *, without_current: bool = True) -> dict[str, Any]:
    current = facts.challenge.channel if facts.challenge and without_current else None
    names = [channel for channel in facts.channels if channel != current]
    others = [{"name": channel, **_shown(_account(facts), channel)} for channel in names]
    return {
        "interaction": facts.interaction.id,
        "other_channels": others,
        "passkey": "passkey" in facts.factors,
        "at_hand": at_hand(facts),
        "switched_off": facts.switched_off,
    }


def _shown(account: Overview, channel: str) -> dict[str, str]:
    """Return a destination for the eye, and in words for the ear."""
    method = METHODS[channel]
    masked = method.mask(method.find_destination(account) or "")
    if channel == "sms":
        return {"masked": masked.text, "spoken": _("u02.sr.sms", nn=masked.ending)}
    return {"masked": masked.text, "spoken": _("u02.sr.email", a=masked.first, b=masked.last, domaine=masked.domain)}


def at_hand(facts: Facts) -> list[str]:
    """Return the offered methods that need a code which nobody sends."""
    return [name for name in facts.factors if name != "passkey"]


def _account(facts: Facts) -> Overview:
    if facts.account is None:
        raise ValueError("this step needs an account")
    return facts.account


def _challenge(facts: Facts) -> Challenge:
    if facts.challenge is None:
        raise ValueError("this step needs a challenge")
    return facts.challenge

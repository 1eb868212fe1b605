"""What an app may do in a sign-in, one act a request: number and password, a passkey, asking for a code, typing it.

Each is the same function as behind the pages, with the same counters, pauses and words; none is a copy of a rule.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp import metrics
from idp.accounts.nir import NirFault, parse_nir
from idp.accounts.outside import DirectoryAway
from idp.accounts.passwords import HashingBusy
from idp.accounts.signin import Paused, Refused, authenticate
from idp.db import db
from idp.i18n import current_locale
from idp.messages import outbox
from idp.messages.compose import label_device
from idp.messages.undeliverable import forget_undeliverable
from idp.mfa.codes import Purpose, check_code
from idp.mfa.methods import METHODS
from idp.mfa.sending import NotYet, Occasion, send_code
from idp.mfa.typed_code import LONGEST_BYTES, CodeFault, parse_code
from idp.mfa.webauthn import WebauthnFault
from idp.oidc.errors import InvalidRequest, InvalidSession, OAuthError
from idp.oidc.in_app_session import AppWalk
from idp.oidc.protocol import ProtocolRequest
from idp.settings import settings
from idp.signin.errand import find_errand, take_answer, word_for
from idp.signin.interaction import identified_as, with_proof
from idp.signin.journey import Facts

PURPOSE: Purpose = "sign-in"
# What the app tells the person of the last act; empty when it went well.
Notice = dict[str, Any]
Done = tuple[AppWalk, Notice]


@dataclass(frozen=True, slots=True)
class Act:
    """An act, and the steps of the walk at which it counts; at any other it is not looked at."""

    steps: tuple[str, ...]
    do: Callable[[AppWalk, Facts, ProtocolRequest, datetime], Done]


def find_act(request: ProtocolRequest) -> Act | None:
    """Return the one act that a request brings, by its field."""
    named = [act for name, act in ACTS.items() if name in request.form]
    if len(named) > 1:
        raise InvalidRequest("One step at a time.")
    return named[0] if named else None


def identify(walk: AppWalk, facts: Facts, request: ProtocolRequest, now: datetime) -> Done:
    """Read number and password, and answer alike whoever may not pass (R8)."""
    if not settings.in_app.password:
        raise InvalidRequest("Number and password are typed in the browser.")
    try:
        nir = parse_nir(request.form.get("nir", ""))
    except NirFault as fault:
        return walk, {"reason": f"nir_{fault.reason}"}
    password, address = request.form["password"], request.address
    try:
        answer = authenticate(nir=nir, password=password, device_cookie=walk.device, address=address, now=now)
    except (HashingBusy, DirectoryAway):
        raise _try_again() from None
    metrics.LOGIN_STEP.labels("identify", type(answer).__name__.lower()).inc()
    if isinstance(answer, Paused):
        return walk, {"reason": "paused", "retry_after": seconds(answer.until, now)}
    if isinstance(answer, Refused):
        return walk, {"reason": "credentials", "tries_left": answer.tries_left}
    return walk.changed(now, **identified_as(answer.account_id, "pwd", now)), {}


def answer_passkey(walk: AppWalk, facts: Facts, request: ProtocolRequest, now: datetime) -> Done:
    """Check what the phone signed: all of the sign-in, or its second step."""
    errand = find_errand(facts)
    if errand is None:
        return walk, {}
    try:
        passkey = take_answer(errand, request.form["passkey_response"], place=walk.place, now=now)
    except WebauthnFault as fault:
        metrics.LOGIN_STEP.labels("passkey", "refused").inc()
        return walk, {"reason": f"passkey_{word_for(fault)}"}
    except DirectoryAway:
        raise _try_again() from None
    if errand.kind == "second-step":
        return walk.changed(now, proofs=with_proof(walk.interaction, "passkey", now)), {}
    return walk.changed(now, **identified_as(passkey.account_id, "passkey", now)), {}


def ask_for_code(walk: AppWalk, facts: Facts, request: ProtocolRequest, now: datetime) -> Done:
    """Send a code: the first one, the same again, or one over another channel."""
    channel = request.form["channel"]
    if channel not in facts.channels or facts.account is None:
        return walk, {"reason": "channel"}
    occasion = Occasion(
        purpose=PURPOSE,
        service=walk.interaction.demand.service,
        device=label_device(request.headers.get("user-agent", "")),
        reference=walk.interaction.reference,
        locale=walk.interaction.demand.locale or current_locale(),
    )
    known = walk.interaction.challenge_id
    sent = send_code(account=facts.account, method=METHODS[channel], challenge_id=known, occasion=occasion, now=now)
    if isinstance(sent, NotYet):
        reason = "quota" if sent.is_quota else "wait"
        return walk, {"reason": reason, "retry_after": seconds(sent.retry_at, now)}
    walk = walk.changed(now, challenge_id=sent.challenge.id)
    db.session.commit()
    outbox.wake()
    metrics.LOGIN_STEP.labels("send", sent.kind).inc()
    return walk, {}


def type_code(walk: AppWalk, facts: Facts, request: ProtocolRequest, now: datetime) -> Done:
    """Check a typed code."""
    typed, challenge = request.form["code"], facts.challenge
    if len(typed.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise InvalidRequest("code is too long.")
    if challenge is None:
        return walk, {}
    try:
        digits = parse_code(typed)
    except CodeFault as fault:
        return walk, {"reason": f"code_{fault.reason}"}
    account_id, lane = challenge.account_id, walk.lane(now)
    verdict = check_code(challenge.id, digits, account_id=account_id, purpose=PURPOSE, lane=lane, now=now)
    if verdict.outcome == "used":
        # Another request of this app had the same digits and is signing in with them.
        raise InvalidSession("code used by a rival request")
    if verdict.outcome != "ok":
        left = {"tries_left": verdict.tries_left} if verdict.outcome == "wrong" else {}
        return walk, {"reason": f"code_{verdict.outcome}", **left}
    if challenge.channel == "email":
        forget_undeliverable(account_id)
    return walk.changed(now, proofs=with_proof(walk.interaction, facts.code_proof, now)), {}


def seconds(until: datetime, now: datetime) -> int:
    """Return how long to wait, in whole seconds."""
    return max(1, math.ceil((until - now).total_seconds()))


ACTS: Mapping[str, Act] = {
    "password": Act(("identify",), identify),
    "passkey_response": Act(("identify", "passkey", "pause", "send", "code"), answer_passkey),
    "channel": Act(("send", "code"), ask_for_code),
    "code": Act(("code",), type_code),
}


def _try_again() -> OAuthError:
    return OAuthError("Try again in a moment.", code="temporarily_unavailable", status=503)

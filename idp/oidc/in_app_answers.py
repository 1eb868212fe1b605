"""What an app is told to ask for next; what it cannot ask for is asked for on the web, where every step has its page.

The draft leaves the words to the server (§5.2.2): `next` is `passkey`, `password`, `choose_channel`, `otp` or `wait`,
and `choices` lists every act that counts now.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp import metrics
from idp.mfa.methods import METHODS
from idp.mfa.sending import next_send_at
from idp.mfa.words import words_of
from idp.oidc import events
from idp.oidc.in_app_session import AppWalk
from idp.oidc.in_app_steps import Notice, seconds
from idp.oidc.pushed import push
from idp.oidc.request import Parameters
from idp.settings import settings
from idp.signin.errand import ask_on, find_errand
from idp.signin.journey import Facts


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer of the endpoint."""

    status: int
    content: dict[str, Any]


# What is told of a step beside the passkey; None when the step cannot be taken in an app.
Told = dict[str, Any] | None


def describe(walk: AppWalk, facts: Facts, step: str, notice: Notice, now: datetime) -> Answer | None:
    """Say what the app shall ask for (§5.2.2, `insufficient_authorization`), or ``None`` when only the web can."""
    told = SHOWN[step](facts, now) if step in SHOWN else None
    if told is None:
        return None
    errand = find_errand(facts)
    options = ask_on(errand, walk.interaction, place=walk.place) if errand else None
    choices = [*(["passkey"] if options else []), *told.pop("choices")]
    if notice.get("reason") == "paused":
        choices = [choice for choice in choices if choice == "passkey"]
    if not choices and "retry_after" not in {**told, **notice}:
        return None
    ask = told.pop("next", None) or next(iter(choices), "wait")
    metrics.IN_APP.labels(step, str(notice.get("reason", "asked"))).inc()
    content = {
        "auth_session": walk.auth_session,
        "next": ask,
        "choices": choices,
        **told,
        **notice,
        **({"public_key": options} if options else {}),
    }
    return _refuse(error="insufficient_authorization", why="More is needed to sign this person in.", content=content)


def lead_to_web(walk: AppWalk, step: str, now: datetime) -> Answer:
    """Send the app to the browser (§5.2.2.1.1), with the request pushed for it if it said where to come back to.

    Never without `code_challenge`: "that would effectively be the same as a PAR request without PKCE". What was proved
    here stays here; in the browser the person begins anew.
    """
    walk.forget()
    metrics.IN_APP.labels(step, "web").inc()
    events.in_app_left(account_id=walk.interaction.account_id, client_id=walk.client.client_id)
    content: dict[str, Any] = {}
    if "redirect_uri" in walk.session.values and "code_challenge" in walk.session.values:
        parameters = Parameters(walk.session.values, resources=walk.session.resources)
        content["request_uri"] = push(parameters, client_id=walk.client.client_id, is_signed=False)
        content["expires_in"] = int(settings.lifetimes.pushed_request.total_seconds())
    return _refuse(error="redirect_to_web", why="Go on in the browser.", content=content)


def _refuse(*, error: str, why: str, content: dict[str, Any]) -> Answer:
    return Answer(400, {"error": error, "error_description": why, **content})


def _who(facts: Facts, now: datetime) -> Told:
    return {"choices": ["password"] if settings.in_app.password else []}


def _passkey(facts: Facts, now: datetime) -> Told:
    return {"choices": []}


def _pause(facts: Facts, now: datetime) -> Told:
    until = facts.pause.until if facts.pause else None
    if until is None:
        # Codes have stopped for good: the page says whom to ask.
        return {"choices": []}
    return {"choices": [], "retry_after": seconds(until, now)}


def _send(facts: Facts, now: datetime) -> Told:
    if facts.account is None:
        return None
    return {"choices": ["choose_channel"], "channels": _channels(facts)}


def _code(facts: Facts, now: datetime) -> Told:
    challenge = facts.challenge
    if challenge is None:
        return None
    return {
        "next": "otp",
        "choices": ["otp", "choose_channel"],
        "channel": challenge.channel,
        "channels": _channels(facts),
        "words": words_of(challenge.id),
        "expires_in": max(0, math.ceil((challenge.ends_at - now).total_seconds())),
        "resend_in": max(0, math.ceil((next_send_at(challenge) - now).total_seconds())),
    }


def _channels(facts: Facts) -> list[dict[str, str]]:
    """Return where codes can go, masked (AC-40)."""
    if facts.account is None:
        return []
    found = [(name, METHODS[name], METHODS[name].find_destination(facts.account)) for name in facts.channels]
    return [{"channel": name, "destination": method.mask(to or "").text} for name, method, to in found]


# The steps that an app can show.
SHOWN: Mapping[str, Callable[[Facts, datetime], Told]] = {
    "identify": _who,
    "passkey": _passkey,
    "pause": _pause,
    "send": _send,
    "code": _code,
}

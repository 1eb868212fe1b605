"""What a person sees whose password cannot be looked at yet, because too many sign in at once.

« Resumes by itself » means: the page comes back by itself, without JavaScript, to a form that knows the number already,
and from then on this sign-in goes before those that have not waited. The password is typed again. To send it again by
itself, somebody would have to keep it meanwhile: we, which we never do, or the page, where the next person at the same
computer finds it. Nothing is counted as a wrong try. The number is kept sealed, for this sign-in only.
"""

import base64
from datetime import datetime
from typing import Literal

from werkzeug.wrappers import Response

from idp import crypto, entropy, metrics
from idp.signin.interaction import Interaction, update_interaction
from idp.signin.journey import offers_passkey_signin
from idp.web import page

# What the page says was kept: the number, nothing (the form held passwords alone), or all that was asked for.
Kept = Literal["number", "passwords", "form"]

# Seconds until the form comes back: the more often in vain, the later; each is varied, or all would come at once.
_PAUSES = (4, 8, 15, 25)


def send_away(interaction: Interaction, typed: str, now: datetime) -> Response:
    """Answer 503 with a page that leads back by itself."""
    sealed = base64.b64encode(crypto.seal(typed[:40], context=_context(interaction))).decode()
    metrics.SHED.labels("password").inc()
    return show_wait(update_interaction(interaction, now, waits=interaction.waits + 1, waits_for=sealed))


def show_wait(interaction: Interaction) -> Response:
    """Show how long it will take about."""
    seconds = entropy.jittered(_PAUSES[min(interaction.waits, len(_PAUSES)) - 1])
    context = {"passkey": offers_passkey_signin(), "interaction": interaction.id}
    return _lead_back(f"/signin/{interaction.id}/identify", seconds, "number", **context)


def send_back(to: str, kept: Kept = "passwords", *, interaction: str = "") -> Response:
    """Answer 503 to a form with a new password, or of the console: nothing was changed; it leads to ``to``."""
    metrics.SHED.labels("password").inc()
    return _lead_back(to, entropy.jittered(_PAUSES[1]), kept, interaction=interaction, passkey=False)


def _lead_back(to: str, seconds: int, kept: Kept, **context: object) -> Response:
    answer = page("signin/waiting.html", 503, back=to, seconds=seconds, kept=kept, **context)
    answer.headers["Retry-After"] = str(seconds)
    # Every browser follows it, with and without JavaScript; the body has a link that does the same.
    answer.headers["Refresh"] = f"{seconds};url={to}"
    return answer


def typed_before(interaction: Interaction) -> str:
    """Return the number that was typed before the wait."""
    try:
        return crypto.unseal(base64.b64decode(interaction.waits_for), context=_context(interaction))
    except crypto.Unreadable:
        return ""


def end_wait(interaction: Interaction, now: datetime) -> Interaction:
    """Forget the wait, if there was one: the password was looked at."""
    return update_interaction(interaction, now, waits=0, waits_for="") if interaction.waits else interaction


def _context(interaction: Interaction) -> str:
    return f"waits:{interaction.id}"

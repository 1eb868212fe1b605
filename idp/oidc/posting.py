"""How a relying party's server is told something: one post, and what its answer means for the next one.

Sign-outs (Back-Channel Logout) and security events (RFC 8935) go this way; each names the answers that it knows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from idp.fetch import Fetched, FetchFault, fetch
from idp.settings import settings

# After the first attempt, which is at once; the last pause is repeated until `logout.give_up_after`.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1_800, 7_200, 21_600))
# A service that does not answer is left alone this long for everything: it must not fill the lanes of others.
LET_ALONE = timedelta(seconds=30)
# More than anybody has to say; what is longer is a fault of the service.
_LONGEST_ANSWER = 256 * 1024
End = Literal["told", "refused", "failed"]

# What the log says of an attempt without an answer, in few letters; other reasons as `fetch.py` has them.
_WORDS = {
    "took too long": "timeout",
    "leads to an address that is not public": "address not public",
    "failed: ConnectionRefusedError": "unreachable",
    "failed: gaierror": "unknown host",
    "failed: SSLCertVerificationError": "certificate",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means: the state that it leads to, or another attempt; at most ``attempts`` of them."""

    state: End | None
    attempts: int | None = None


# A redirect is not followed: a token is for the address that was registered. A 404 or a 500 may be a deployment.
LATER = Verdict(None)


@dataclass(frozen=True, slots=True)
class Told:
    """What an attempt came to: an HTTP status or none, in one word that the log keeps."""

    status: int | None
    answer_class: str


@dataclass(frozen=True, slots=True)
class Fate:
    """The state that an attempt leads to, or when the next one is due."""

    state: End | None
    retry_at: datetime | None


def post(
    url: str, *, accept: str, form: Mapping[str, str] | None = None, body: tuple[str, bytes] | None = None,
    name: Callable[[Fetched], str] | None = None,
) -> Told:  # fmt: skip
    """Post once; what the other side does wrong is an answer, not an exception. ``name`` says more than the status."""
    try:
        answer = fetch(
            url, method="POST", form=form, body=body, timeout=settings.logout.timeout.total_seconds(),
            limit=_LONGEST_ANSWER, accept=accept,
        )  # fmt: skip
    except FetchFault as fault:
        return Told(None, _WORDS.get(fault.reason, fault.reason.removeprefix("failed: ")))
    return Told(answer.status, (name(answer) if name else "") or str(answer.status))


def judge(told: Told, verdicts: Mapping[int, Verdict], *, attempt: int, began_at: datetime, now: datetime) -> Fate:
    """Say what an attempt leads to."""
    verdict = LATER if told.status is None else verdicts.get(told.status, LATER)
    retry_at = now + PAUSES[min(attempt, len(PAUSES)) - 1]
    state = verdict.state
    if verdict.attempts is not None and attempt < verdict.attempts:
        state = None
    if state is None and retry_at >= began_at + settings.logout.give_up_after:
        state = "failed"
    return Fate(state, retry_at if state is None else None)

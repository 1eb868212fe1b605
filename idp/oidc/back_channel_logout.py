"""Telling relying parties, server to server, that a session ended (OpenID Connect Back-Channel Logout 1.0)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp import clock, session_clients
from idp.fetch import FetchFault, fetch
from idp.oidc import events
from idp.oidc.clients import Client, find_client
from idp.oidc.errors import InvalidRequest
from idp.oidc.logout_token import issue_logout_token, seal_logout_token
from idp.session_clients import Departure, State
from idp.settings import settings

# After the first attempt, which is at once; the last pause is repeated until `logout.give_up_after`.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1_800, 7_200, 21_600))
# A service that does not answer is left alone this long for all its sessions: it must not fill the lanes of others.
LET_ALONE = timedelta(seconds=30)
# Nobody reads the answer's body; one that is longer is a fault of the service.
_LONGEST_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means: the state that it leads to, or another attempt; at most ``attempts`` of them."""

    state: State | None
    attempts: int | None = None


# §2.8: 200, and in practice 204, says that it is done; 400 that the request was invalid or the logout failed.
_VERDICTS: Mapping[int, Verdict] = {200: Verdict("told"), 204: Verdict("told"), 400: Verdict("refused", attempts=3)}
# A redirect is not followed: a token is for the address that was registered. A 404 or a 500 may be a deployment.
_LATER = Verdict(None)

# What the log says of an attempt without an answer, in few letters; other reasons as `fetch.py` has them.
_WORDS = {
    "took too long": "timeout",
    "leads to an address that is not public": "address not public",
    "failed: ConnectionRefusedError": "unreachable",
    "failed: gaierror": "unknown host",
    "failed: SSLCertVerificationError": "certificate",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A departure with what is sent: the address, and a logout token that is good for two minutes."""

    departure: Departure
    client: Client
    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Told:
    """What an attempt came to: an HTTP status or none, in one word that the log keeps."""

    status: int | None
    answer_class: str


def prepare(departure: Departure, now: datetime) -> Notice | None:
    """Return what is to be sent, or end a departure whose client wants no notice any more; the caller commits."""
    client = find_client(departure.client_id)
    if client is None or client.backchannel_logout_uri is None:
        session_clients.record(departure, state="closed", answer_class="no address", retry_at=None, now=now)
        return None
    token = issue_logout_token(client, account_id=departure.account_id, their_sid=departure.their_sid, now=now)
    return Notice(departure, client, client.backchannel_logout_uri, token)


def tell(notice: Notice) -> Told:
    """Post the logout token once; what the other side does wrong is an answer, not an exception."""
    try:
        answer = fetch(
            notice.url,
            method="POST",
            form={"logout_token": seal_logout_token(notice.client, notice.token, clock.now())},
            timeout=settings.logout.timeout.total_seconds(),
            limit=_LONGEST_ANSWER,
            accept="*/*",
        )
    except InvalidRequest:
        return Told(None, "no key")
    except FetchFault as fault:
        return Told(None, _WORDS.get(fault.reason, fault.reason.removeprefix("failed: ")))
    return Told(answer.status, str(answer.status))


def record(notice: Notice, told: Told, now: datetime) -> str:
    """Write down what an attempt came to, and when the next one is due; return the outcome. The caller commits."""
    departure = notice.departure
    verdict = _LATER if told.status is None else _VERDICTS.get(told.status, _LATER)
    retry_at = now + PAUSES[min(departure.attempt, len(PAUSES)) - 1]
    state = verdict.state
    if verdict.attempts is not None and departure.attempt < verdict.attempts:
        state = None
    if state is None and retry_at >= departure.ended_at + settings.logout.give_up_after:
        state = "failed"
    is_ours = session_clients.record(
        departure,
        state=state or "queued",
        answer_class=told.answer_class,
        retry_at=retry_at if state is None else None,
        now=now,
    )
    if told.status is None:
        session_clients.let_alone(departure.client_id, now + LET_ALONE)
    if is_ours and state is not None:
        _audit(departure.client_id, departure.account_id, state, told.answer_class)
    return state or "later"


def give_up(now: datetime) -> int:
    """End what could not be told in time; return how many. The caller commits."""
    failed = session_clients.give_up(now - settings.logout.give_up_after, now)
    for client_id, account_id in failed:
        _audit(client_id, account_id, "failed", "deadline")
    return len(failed)


def _audit(client_id: str, account_id: str, outcome: str, reason: str) -> None:
    events.logout_told(outcome, account_id=account_id, client_id=client_id, reason=reason)

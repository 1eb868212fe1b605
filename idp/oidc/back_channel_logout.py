"""Telling relying parties, server to server, that a session ended (OpenID Connect Back-Channel Logout 1.0)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from idp import clock, metrics, notices, session_clients
from idp.oidc import events
from idp.oidc.clients import Client, find_client
from idp.oidc.errors import InvalidRequest
from idp.oidc.logout_token import issue_logout_token, seal_logout_token
from idp.oidc.notice_courier import Errand
from idp.oidc.posting import LET_ALONE, Told, Verdict, judge, post
from idp.session_clients import Departure, SessionClient
from idp.settings import settings

# §2.8: 200, and in practice 204, says that it is done; 400 that the request was invalid or the logout failed.
_VERDICTS: Mapping[int, Verdict] = {200: Verdict("told"), 204: Verdict("told"), 400: Verdict("refused", attempts=3)}


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """A departure with what is sent: the address, and a logout token that is good for two minutes."""

    departure: Departure
    client: Client
    url: str
    token: str

    @property
    def attempt(self) -> int:
        """Which attempt this is."""
        return self.departure.attempt


def prepare(departure: Departure, now: datetime) -> LogoutNotice | None:
    """Return what is to be sent, or end a departure whose client wants no notice any more; the caller commits."""
    client = find_client(departure.client_id)
    if client is None or client.backchannel_logout_uri is None:
        session_clients.record(departure, state="closed", answer_class="no address", retry_at=None, now=now)
        return None
    token = issue_logout_token(client, account_id=departure.account_id, their_sid=departure.their_sid, now=now)
    return LogoutNotice(departure, client, client.backchannel_logout_uri, token)


def tell(notice: LogoutNotice) -> Told:
    """Post the logout token once."""
    try:
        token = seal_logout_token(notice.client, notice.token, clock.now())
    except InvalidRequest:
        return Told(None, "no key")
    return post(notice.url, accept="*/*", form={"logout_token": token})


def record(notice: LogoutNotice, told: Told, now: datetime) -> str:
    """Write down what an attempt came to, and when the next one is due; return the outcome. The caller commits."""
    departure = notice.departure
    fate = judge(told, _VERDICTS, attempt=departure.attempt, began_at=departure.ended_at, now=now)
    is_ours = session_clients.record(
        departure, state=fate.state or "queued", answer_class=told.answer_class, retry_at=fate.retry_at, now=now
    )
    if told.status is None:
        notices.let_alone(SessionClient, departure.client_id, now + LET_ALONE)
    if is_ours and fate.state is not None:
        _audit(departure.client_id, departure.account_id, fate.state, told.answer_class)
    return fate.state or "later"


def give_up(now: datetime) -> int:
    """End what could not be told in time; return how many. The caller commits."""
    failed = session_clients.give_up(now - settings.logout.give_up_after, now)
    for client_id, account_id in failed:
        _audit(client_id, account_id, "failed", "deadline")
    return len(failed)


def _audit(client_id: str, account_id: str, outcome: str, reason: str) -> None:
    events.logout_told(outcome, account_id=account_id, client_id=client_id, reason=reason)


LOGOUT = Errand(
    channel="logout",
    table=SessionClient,
    claim=session_clients.claim,
    prepare=prepare,
    tell=tell,
    record=record,
    give_up=give_up,
    count=lambda outcome, times: metrics.LOGOUT_DELIVERY.labels("back", outcome).inc(times),
)

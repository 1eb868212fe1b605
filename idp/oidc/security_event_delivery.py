"""Pushing security events to the services that asked for them (RFC 8935), in the same way as sign-outs.

Who gets one: a service that registered an address and the kind of event, and that the person has signed in to lately,
or gave a consent or a grant that lives. Nobody learns of people whom they have never seen.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from idp import metrics, notices, security_events
from idp.db import db
from idp.fetch import Fetched
from idp.oidc import events
from idp.oidc.clients import Client, find_client
from idp.oidc.consents import Consent
from idp.oidc.notice_courier import Errand
from idp.oidc.posting import LET_ALONE, Told, Verdict, judge, post
from idp.oidc.refresh import RefreshFamily
from idp.oidc.security_event_token import TYPE, issue_security_event_token
from idp.security_events import EVERYBODY, Happening, SecurityEvent
from idp.session_clients import SessionClient
from idp.settings import settings

# RFC 8935 §2.2: 202 when it was validated and kept; §2.3: 400 with a reason. In practice 200 and 204 mean the same.
_VERDICTS: Mapping[int, Verdict] = {
    202: Verdict("told"), 200: Verdict("told"), 204: Verdict("told"), 400: Verdict("refused", attempts=3),
}  # fmt: skip
# RFC 8935 §2.4 and the IANA registry; any other word of a stranger's stays out of our log.
_ERRORS = frozenset(
    {
        "invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed",
        "access_denied",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventNotice:
    """An event with what is sent, and where."""

    happening: Happening
    client: Client
    url: str
    token: str

    @property
    def attempt(self) -> int:
        """Which attempt this is."""
        return self.happening.attempt


def prepare(happening: Happening, now: datetime) -> EventNotice | None:
    """Return what is to be sent; address an event that is for everybody, end one that is not wanted any more."""
    if happening.client_id == EVERYBODY:
        security_events.address(happening, _who_wants(happening), now)
        return None
    client = find_client(happening.client_id)
    if client is None or client.security_events_uri is None or happening.kind not in client.security_event_types:
        _finish(happening, "closed", "not wanted", None, now)
        return None
    return EventNotice(
        happening, client, client.security_events_uri, issue_security_event_token(happening, client, now)
    )


def tell(notice: EventNotice) -> Told:
    """Push the token once."""
    body = (f"application/{TYPE}", notice.token.encode())
    return post(notice.url, accept="application/json", body=body, name=_error_of)


def record(notice: EventNotice, told: Told, now: datetime) -> str:
    """Write down what an attempt came to, and when the next one is due; return the outcome. The caller commits."""
    happening = notice.happening
    fate = judge(told, _VERDICTS, attempt=happening.attempt, began_at=happening.happened_at, now=now)
    is_ours = _finish(happening, fate.state or "queued", told.answer_class, fate.retry_at, now)
    if told.status is None:
        notices.let_alone(SecurityEvent, happening.client_id, now + LET_ALONE)
    if is_ours and fate.state is not None:
        events.security_event_told(
            fate.state, account_id=happening.account_id, client_id=happening.client_id, kind=happening.kind,
            reason=told.answer_class,
        )  # fmt: skip
    return fate.state or "later"


def give_up(now: datetime) -> int:
    """End what could not be told in time; return how many. The caller commits."""
    failed = security_events.give_up(now - settings.logout.give_up_after, now)
    for client_id, account_id, kind in failed:
        events.security_event_told("failed", account_id=account_id, client_id=client_id, kind=kind, reason="deadline")
    return len(failed)


def _who_wants(happening: Happening) -> list[str]:
    """Return the services that know a person and asked for this kind of event."""
    who = happening.account_id
    known = (
        select(SessionClient.client_id)
        .where(SessionClient.account_id == who)
        .union(
            select(Consent.client_id).where(Consent.account_id == who),
            select(RefreshFamily.client_id).where(RefreshFamily.account_id == who, RefreshFamily.revoked_at.is_(None)),
        )
    )
    clients = [find_client(client_id) for client_id in db.session.scalars(known)]
    return sorted(
        one.client_id
        for one in clients
        if one and one.security_events_uri and happening.kind in one.security_event_types
    )


def _finish(happening: Happening, state: str, answer_class: str, retry_at: datetime | None, now: datetime) -> bool:
    return notices.record(
        SecurityEvent, row_id=happening.id, worker=happening.worker, attempt=happening.attempt, state=state,
        answer_class=answer_class, retry_at=retry_at, now=now,
    )  # fmt: skip


def _error_of(answer: Fetched) -> str:
    """Return the error code of a refusal, if it is one that the RFC names."""
    if answer.status != 400:
        return ""
    try:
        said = json.loads(answer.body)
    except ValueError:
        return ""
    error = said.get("err") if isinstance(said, dict) else None
    return error if isinstance(error, str) and error in _ERRORS else ""


SECURITY_EVENTS = Errand(
    channel="security-event",
    table=SecurityEvent,
    claim=security_events.claim,
    prepare=prepare,
    tell=tell,
    record=record,
    give_up=give_up,
    count=lambda outcome, times: metrics.SECURITY_EVENTS.labels(outcome).inc(times),
)

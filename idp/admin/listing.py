"""How clients are listed and searched, the same on every surface."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from idp import clock
from idp.admin.client_acts import state_of
from idp.admin.secret_warnings import Standing, standing_of
from idp.db import db
from idp.oidc.clients import ClientRow, ClientSecret

STATES = ("active", "suspended", "archived")


@dataclass(frozen=True)
class Listed:
    """A client in a list."""

    client_id: str
    name: str
    kind: str
    team: str
    state: str
    security_profile: str
    redirect_uris: tuple[str, ...]
    updated_at: datetime
    # When the last of its secrets ends, and whether that is soon.
    secret_expires_at: datetime | None
    secret_standing: Standing


def list_clients(
    *, words: str = "", state: str | None = None, kind: str | None = None, limit: int = 50, after: str | None = None
) -> tuple[list[Listed], str | None]:
    """Return clients by id, and after which one to go on; archived ones only when asked for.

    ``words`` are found in the id, the name, the team and the redirect URIs. There are thousands of clients at most:
    they are looked through, not indexed.
    """
    query = select(ClientRow).order_by(ClientRow.client_id)
    query = query.where(ClientRow.client_id > after) if after else query
    if state == "archived":
        query = query.where(ClientRow.archived_at.is_not(None))
    else:
        query = query.where(ClientRow.archived_at.is_(None))
    ends, now = _secret_ends(), clock.now()
    found: list[Listed] = []
    for row in db.session.scalars(query):
        listed = _listed(row, ends.get(row.client_id), now)
        if (state is None or listed.state == state) and (kind is None or listed.kind == kind) and _has(listed, words):
            found.append(listed)
        if len(found) > limit:
            break
    return found[:limit], found[limit - 1].client_id if len(found) > limit else None


def _has(listed: Listed, words: str) -> bool:
    text = " ".join((listed.client_id, listed.name, listed.team, *listed.redirect_uris)).casefold()
    return all(word in text for word in words.casefold().split())


def _listed(row: ClientRow, ends_at: datetime | None, now: datetime) -> Listed:
    kept: dict[str, Any] = row.client_metadata
    return Listed(
        row.client_id, str(kept.get("name", "")), str(kept.get("kind", "website")), str(kept.get("team", "")),
        state_of(row), str(kept.get("security_profile", "oidc")), tuple(kept.get("redirect_uris", ())), row.updated_at,
        ends_at, standing_of(ends_at, now),
    )  # fmt: skip


def _secret_ends() -> dict[str, datetime | None]:
    ends: dict[str, datetime | None] = {}
    for client_id, expires_at in db.session.execute(select(ClientSecret.client_id, ClientSecret.expires_at)):
        if client_id not in ends:
            ends[client_id] = expires_at
        elif (known := ends[client_id]) is not None:
            ends[client_id] = None if expires_at is None else max(known, expires_at)
    return ends

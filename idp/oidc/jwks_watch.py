"""Who has fetched the JWKS: told by the addresses from which clients prove themselves, since a fetch carries no name.

Two observations are kept, both under a keyed hash of the address: *this client authenticated from here*, and *here the
JWKS was served, up to this key*. They are noted in memory on the way and written by one request a minute, so that no
request waits for them; what is lost with a process only makes a rotation wait longer (ADR 0006).
"""

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import String, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, logs
from idp.db import Base, Moment, db
from idp.oidc.clients import list_clients
from idp.per_app import PerApp
from idp.settings import settings

# A client at an address is noted again after this time.
_AGAIN = timedelta(minutes=10)
_WRITE_EVERY = timedelta(seconds=60)
_MOST_PAIRS = 20_000
_MOST_FETCHES = 2_000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
log = logs.get_logger()

Standing = Literal["seen", "late", "unseen"]


class ClientSource(Base):
    """An address from which a client proved itself."""

    __tablename__ = "client_sources"

    client_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    used_at: Mapped[datetime] = mapped_column(Moment, index=True)


class JwksFetch(Base):
    """The newest JWKS that was served to an address of some client."""

    __tablename__ = "jwks_fetches"

    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    fetched_at: Mapped[datetime] = mapped_column(Moment, index=True)
    newest_key_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True)
class Source:
    """What is known of one address of a client."""

    used_at: datetime
    fetched_at: datetime | None = None
    newest_key_at: datetime | None = None


@dataclass(frozen=True)
class Watched:
    """A client that was at work lately, and whether it has fetched a key."""

    client_id: str
    name: str
    standing: Standing
    used_at: datetime
    fetched_at: datetime | None


@dataclass
class _Book:
    """What this process has noted and not yet written."""

    noted: dict[tuple[str, str], datetime] = field(default_factory=dict)
    used: dict[tuple[str, str], datetime] = field(default_factory=dict)
    fetched: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    written_at: datetime = _LONG_AGO
    noting: threading.Lock = field(default_factory=threading.Lock)
    writing: threading.Lock = field(default_factory=threading.Lock)


_book: PerApp[_Book] = PerApp(_Book)


def note_client(client_id: str, address: str, now: datetime) -> None:
    """Note from where a client proved itself; costs a look into a dictionary."""
    book, pair = _book(), (client_id, address)
    noted = book.noted.get(pair)
    if noted is not None and now - noted < _AGAIN:
        return
    with book.noting:
        if len(book.noted) >= _MOST_PAIRS:
            book.noted.clear()
        book.noted[pair] = book.used[pair] = now


def note_fetch(address: str, newest_key_at: datetime, now: datetime) -> None:
    """Note where the JWKS was served, with keys up to the one published at ``newest_key_at``."""
    book = _book()
    with book.noting:
        if address not in book.fetched and len(book.fetched) >= _MOST_FETCHES:
            # Phones fetch too, and theirs is no client's address: the oldest goes.
            del book.fetched[next(iter(book.fetched))]
        book.fetched[address] = (now, newest_key_at)


def write_when_due(now: datetime) -> None:
    """Write what was noted, at most once a minute; what this request left uncommitted is abandoned."""
    book = _book()
    if not (book.used or book.fetched) or now - book.written_at < _WRITE_EVERY:
        return
    if book.writing.acquire(blocking=False):
        try:
            book.written_at = now
            _write(book, now)
        except (DBAPIError, PoolTimeout) as fault:
            # Evidence, not a duty: the answer of this request is worth more.
            db.session.rollback()
            book.noted.clear()
            log.warning("jwks-watch-unwritten", error_type=type(fault).__name__)
        finally:
            book.writing.release()


def watch(published_at: datetime, now: datetime) -> list[Watched]:
    """Return every confidential client at work within `keys.remember_fetches`, and whether it has seen a key."""
    since = now - settings.keys.remember_fetches
    query = (
        select(ClientSource.client_id, ClientSource.used_at, JwksFetch.fetched_at, JwksFetch.newest_key_at)
        .outerjoin(JwksFetch, (JwksFetch.source == ClientSource.source) & (JwksFetch.fetched_at >= since))
        .where(ClientSource.used_at >= since)
    )
    sources: defaultdict[str, list[Source]] = defaultdict(list)
    for client_id, *facts in db.session.execute(query):
        sources[client_id].append(Source(*facts))
    return [
        Watched(
            client.client_id,
            client.name,
            standing_of(sources[client.client_id], published_at),
            max(one.used_at for one in sources[client.client_id]),
            max((one.fetched_at for one in sources[client.client_id] if one.fetched_at), default=None),
        )
        for client in list_clients()
        if client.client_id in sources and not client.is_suspended and not client.is_public
    ]


def standing_of(sources: Iterable[Source], published_at: datetime) -> Standing:
    """Tell whether a client has fetched a key published at ``published_at``.

    Every address counts that fetches the JWKS at all and is still in use since: of several nodes, each has a cache.
    """
    fetchers = [(one.used_at, one.newest_key_at) for one in sources if one.newest_key_at is not None]
    if not fetchers:
        return "unseen"
    in_use = [one for one in fetchers if one[0] >= published_at] or [max(fetchers)]
    return "seen" if all(newest >= published_at for _, newest in in_use) else "late"


def purge_watch(now: datetime) -> None:
    """Forget addresses not seen within `keys.remember_fetches`; the caller commits."""
    since = now - settings.keys.remember_fetches
    db.session.execute(delete(ClientSource).where(ClientSource.used_at < since))
    db.session.execute(delete(JwksFetch).where(JwksFetch.fetched_at < since))


def forget_watch() -> None:
    """Forget what was noted and not written."""
    _book.forget()


def _write(book: _Book, now: datetime) -> None:
    db.session.rollback()
    with book.noting:
        used, book.used = book.used, {}
        fetched, book.fetched = book.fetched, {}
    # Sorted: two processes that write the same rows in two orders would lock each other out.
    for (client_id, source), at in sorted(((name, _hash(address)), at) for (name, address), at in used.items()):
        _upsert(ClientSource, {"client_id": client_id, "source": source}, {"used_at": at})
    ours = set(db.session.scalars(select(ClientSource.source).distinct()))
    served = sorted((_hash(address), at, newest) for address, (at, newest) in fetched.items())
    for source, at, newest in served:
        if source in ours:
            _upsert(JwksFetch, {"source": source}, {"fetched_at": at, "newest_key_at": newest})
    db.session.commit()
    with book.noting:
        for address, (at, newest) in fetched.items():
            # A client fetches before it calls for the first time; whoever never calls is forgotten.
            if _hash(address) not in ours and now - at < settings.keys.jwks_max_age:
                book.fetched.setdefault(address, (at, newest))


def _upsert(table: type[Base], key: dict[str, Any], values: dict[str, Any]) -> None:
    """Write a row, unless another process has written a newer one; its first value is its moment."""
    insert = _INSERT[db.session.get_bind().dialect.name]
    moment, at = next(iter(values.items()))
    db.session.execute(
        insert(table)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=list(key), set_=values, where=getattr(table, moment) < at)
    )


def _hash(address: str) -> str:
    return crypto.keyed("source", address).hex()[:32]

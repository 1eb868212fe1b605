"""How people of a file become accounts: batches, each one transaction with the place in the file that it reached.

A stop at any moment, even of the machine, loses no line and takes none twice: the place is committed with the batch.
An account that is there already is left alone; only a NIR that changed is changed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import BigInteger, String
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Mapped, mapped_column

from idp.accounts import events
from idp.accounts.directory import find_account_by_nir
from idp.accounts.import_lines import Source
from idp.accounts.import_survey import has_two_accounts
from idp.accounts.models import Account
from idp.db import Base, Moment, db

_COLUMNS = tuple(column.key for column in Account.__table__.columns)
# A line of COPY for PostgreSQL, the values by column elsewhere.
Row = bytes | dict[str, Any]


class AccountImport(Base):
    """How far one file has come, by the file's fingerprint."""

    __tablename__ = "account_imports"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    reached: Mapped[int] = mapped_column(BigInteger, default=0)
    line: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    present: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    begun_at: Mapped[datetime] = mapped_column(Moment)
    # Since when the whole file was surveyed; a resumed import does not look again.
    surveyed_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    finished_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


def find_import(source: Source) -> AccountImport | None:
    """Return how far this file came before, if it did."""
    return db.session.get(AccountImport, source.fingerprint)


def begin_import(source: Source, now: datetime) -> AccountImport:
    """Write down that this file was surveyed and begins; the caller commits."""
    begun = find_import(source)
    if begun is None:
        begun = AccountImport(fingerprint=source.fingerprint, begun_at=now)
        db.session.add(begun)
    begun.reached = begun.line = begun.added = begun.present = begun.changed = begun.refused = 0
    begun.surveyed_at, begun.finished_at = now, None
    return begun


def take_batch(
    under_way: AccountImport,
    rows: Sequence[Row],
    moves: Sequence[tuple[str, str, Row]],
    *,
    refused: int,
    reached: int,
    line: int,
    now: datetime,
) -> None:
    """Add the people of ``rows``, move those whose NIR changed, and write down the place reached; commits.

    ``moves`` are (previous NIR, NIR, the row if neither is known yet).
    """
    new = list(rows)
    for previous, nir, row in moves:
        account, other = find_account_by_nir(previous), find_account_by_nir(nir)
        if has_two_accounts(account is not None, other is not None):
            refused += 1
        elif account is not None:
            # The same person under another number: id, `sub`, passkeys and consents stay theirs.
            account.set_nir(nir)
            account.updated_at = now
            under_way.changed += 1
            events.nir_changed(account_id=account.id, reason="import")
        else:
            new.append(row)
    db.session.flush()
    added = _insert(new)
    under_way.added += added
    under_way.present += len(new) - added
    under_way.refused += refused
    under_way.reached, under_way.line = reached, line
    db.session.commit()


def finish_import(under_way: AccountImport, now: datetime) -> None:
    """Write down that the whole file has been taken; the caller commits."""
    under_way.finished_at = now
    events.accounts_imported(
        added=under_way.added, present=under_way.present, changed=under_way.changed, refused=under_way.refused
    )


def describe_import(under_way: AccountImport) -> dict[str, Any]:
    """Return the figures of an import."""
    return {
        "added": under_way.added,
        "already there": under_way.present,
        "NIR changed": under_way.changed,
        "refused": under_way.refused,
        "begun": under_way.begun_at.isoformat(timespec="seconds"),
        "finished": under_way.finished_at.isoformat(timespec="seconds") if under_way.finished_at else None,
    }


def spell(row: dict[str, Any]) -> Row:
    """Return a row as `take_batch` takes it; on PostgreSQL that is most of the work, so it is not done there."""
    if not _copies():
        return row
    return ("\t".join([_copied(row[name]) for name in _COLUMNS]) + "\n").encode()


def _copies() -> bool:
    return str(db.engine.dialect.name) == "postgresql"


def _copied(value: Any) -> str:
    """Spell a value for COPY in its text format (PostgreSQL, COPY, « Text Format »)."""
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return "\\\\x" + value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).translate(_ESCAPED)


_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _insert(rows: Sequence[Row]) -> int:
    if not rows:
        return 0
    if _copies():
        return _copy(cast(Sequence[bytes], rows))
    insert = sqlite.insert(Account).on_conflict_do_nothing(index_elements=[Account.nir_index])
    return int(db.session.connection().execute(insert, cast(Sequence[dict[str, Any]], rows)).rowcount)


def _copy(rows: Sequence[bytes]) -> int:
    """Stream the rows by COPY into a table of this transaction, and from there what is new into the accounts."""
    connection = db.session.connection()
    # Nobody waits for this commit: a machine that stops loses the last batches with the places that they reached.
    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    connection.exec_driver_sql("CREATE TEMP TABLE IF NOT EXISTS incoming (LIKE accounts) ON COMMIT DELETE ROWS")
    names = ", ".join(_COLUMNS)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY incoming ({names}) FROM STDIN") as copy:
        copy.write(b"".join(rows))
    done = connection.exec_driver_sql(
        f"INSERT INTO accounts ({names}) SELECT {names} FROM incoming ON CONFLICT (nir_index) DO NOTHING"  # noqa: S608 - our own column names
    )
    return int(done.rowcount)

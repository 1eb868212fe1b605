"""What operators change while the provider runs: channels that are off, the banner; known to every node in two seconds.

One row a subject, with a version and a name. A request reads the table at its very beginning, if its process has not
done so for two seconds: no page and no protocol answer asks for it again, and all of one request goes by one reading.
A database that does not answer changes nothing: what was known last goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import current_app
from sqlalchemy import JSON, String, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, mapped_column

from idp import logs, metrics
from idp.db import Base, Moment, db, look_up
from idp.limits import with_limits
from idp.per_app import PerApp
from idp.settings import Settings, current_settings

READ_EVERY: Final = timedelta(seconds=2)
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
log = logs.get_logger()


class Operation(Base):
    """One thing that is as somebody wanted it; its value is `None` when it is again as the settings have it."""

    __tablename__ = "operations"

    # `kind:subject`, such as `channel:sms`.
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    version: Mapped[int]
    changed_at: Mapped[datetime] = mapped_column(Moment)
    changed_by: Mapped[str] = mapped_column(String(60))


@dataclass(frozen=True, slots=True)
class Banner:
    """What every page says from a moment to another, by language."""

    texts: Mapping[str, str]
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Operations:
    """All that was read: since when each channel is off, the banner, and values by kind and subject."""

    off: Mapping[str, datetime] = field(default_factory=dict)
    banner: Banner | None = None
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass
class _Memory:
    known: Operations = field(default_factory=Operations)
    until: datetime = _LONG_AGO
    # The settings of the start, while limits are laid over them.
    before: Settings | None = None
    # The texts of the start, by language, while others are laid over them.
    texts_before: dict[str, dict[str, str]] | None = None


_memory: PerApp[_Memory] = PerApp(_Memory)


def refresh(now: datetime) -> None:
    """Read what operators want, if this process has not for two seconds; called where no transaction is open."""
    memory = _memory()
    if now < memory.until:
        return
    # Set first: of many threads one asks, and a database that is down is not asked by every request.
    memory.until = now + READ_EVERY
    try:
        rows = look_up(select(Operation.name, Operation.value, Operation.changed_at))
    except (DBAPIError, PoolTimeout) as fault:
        db.session.rollback()
        log.warning("operations-unread", error_type=type(fault).__name__)
        return
    known = _read({row.name: (row.value, row.changed_at) for row in rows if row.value is not None})
    if known.values.get("limit") != memory.known.values.get("limit"):
        _lay_over(memory, known.values.get("limit", {}))
    if known.values.get("text") != memory.known.values.get("text"):
        _say_otherwise(memory, known.values.get("text", {}))
    memory.known = known
    for channel in known.off:
        metrics.CHANNEL_OFF.labels(channel).set(1)


def forget() -> None:
    """Make the next request of this process read anew."""
    _memory().until = _LONG_AGO


def begin_anew() -> None:
    """Forget all that was read, and say everything as the settings have it."""
    _say_otherwise(_memory(), {})
    _memory.forget()


def settings_of_the_start() -> Settings:
    """Return the settings as they were read, without what operators have changed since."""
    return _memory().before or current_settings()


def off_since() -> Mapping[str, datetime]:
    """Return the channels and factors that are off, and since when."""
    return _memory().known.off


def is_off(name: str) -> bool:
    """Tell whether a channel or factor is switched off."""
    return name in _memory().known.off


def current_banner(now: datetime) -> Banner | None:
    """Return the banner that is due now."""
    banner = _memory().known.banner
    return banner if banner is not None and banner.begins_at <= now < banner.ends_at else None


def find_operation(name: str) -> Operation | None:
    """Return a row as the database has it now."""
    return db.session.get(Operation, name, populate_existing=True)


def list_operations(kind: str) -> dict[str, Operation]:
    """Return the rows of a kind as the database has them now, by subject."""
    query = select(Operation).where(Operation.name.startswith(f"{kind}:", autoescape=True))
    rows = db.session.scalars(query.execution_options(populate_existing=True))
    return {row.name.partition(":")[2]: row for row in rows}


def read_banner(value: Mapping[str, Any]) -> Banner:
    """Return the banner that a row holds."""
    begins, ends = (datetime.fromisoformat(value[end]) for end in ("begins_at", "ends_at"))
    return Banner(value["texts"], begins, ends)


def _lay_over(memory: _Memory, limits: Mapping[str, Mapping[str, Any]]) -> None:
    sesame, before = current_app.extensions["sesame"], memory.before or current_settings()
    sesame["settings"] = with_limits(before, {path: value["value"] for path, value in limits.items()})
    memory.before = before if limits else None


def texts_of_the_start() -> Mapping[str, Mapping[str, str]]:
    """Return the operator's own texts as they were read from their file, without what was changed since."""
    kept = _memory().texts_before
    return kept if kept is not None else current_app.extensions["sesame"].get("texts", {})


def _say_otherwise(memory: _Memory, replaced: Mapping[str, Mapping[str, str]]) -> None:
    sesame = current_app.extensions["sesame"]
    before = {locale: dict(texts) for locale, texts in texts_of_the_start().items()}
    said = {locale: dict(texts) for locale, texts in before.items()}
    for text_id, texts in replaced.items():
        for locale, text in texts.items():
            said.setdefault(locale, {})[text_id] = text
    sesame["texts"] = said
    memory.texts_before = before if replaced else None


def _read(rows: Mapping[str, tuple[dict[str, Any], datetime]]) -> Operations:
    by_kind: dict[str, dict[str, Any]] = {}
    for name, (value, _at) in rows.items():
        kind, _, subject = name.partition(":")
        by_kind.setdefault(kind, {})[subject] = value
    banner = by_kind.get("banner", {}).get("all")
    return Operations(
        off={subject: rows[f"channel:{subject}"][1] for subject in by_kind.get("channel", {})},
        banner=read_banner(banner) if banner else None,
        values=by_kind,
    )

"""The two things that refresh families are asked all day, one SQL statement each: begin one, take one a token on.

Each decides everything in its own conditions, so nothing has to be read first and no transaction is held open. When it
does nothing, `refresh.py` finds out why, with the rules for every other case.
"""

from datetime import datetime

from sqlalchemy import Table, bindparam, exists, insert, select, update

from idp.accounts.models import Account
from idp.oidc.grant import Grant
from idp.oidc.possession import Confirmation
from idp.oidc.refresh import RefreshFamily, Rotated, grant_of, new_family, parse_token, write_token
from idp.prepared import Prepared
from idp.session import SessionRecord
from idp.settings import settings

_families: Table = RefreshFamily.__table__  # type: ignore[assignment]
_COLUMNS = tuple(column for column in _families.columns if column.name not in {"revoked_at", "revoked_for"})


def _is_entitled(account_id: object, auth_time: object) -> object:
    """AC-138, P-26: the account is active and was all along, its password is the same; as `asked.get_entitled` says."""
    return exists().where(
        Account.id == account_id,
        Account.status == "active",
        (Account.password_changed_at.is_(None)) | (Account.password_changed_at <= auth_time),
        (Account.enabled_at.is_(None)) | (Account.enabled_at < auth_time),
    )


_BEGIN = Prepared(
    insert(_families)
    .from_select(
        [column.name for column in _COLUMNS],
        select(*(bindparam(column.name, type_=column.type) for column in _COLUMNS)).where(
            _is_entitled(  # type: ignore[arg-type]
                bindparam("account_id", type_=_families.c.account_id.type),
                bindparam("auth_time", type_=_families.c.auth_time.type),
            )
        ),
        include_defaults=False,
    )
    .returning(_families.c.id)
)
_MOVE = Prepared(
    update(_families)
    .where(
        _families.c.id == bindparam("family_id"),
        _families.c.n == bindparam("old_n"),
        _families.c.client_id == bindparam("client"),
        _families.c.revoked_at.is_(None),
        _families.c.ends_at > bindparam("now", type_=_families.c.ends_at.type),
        _families.c.rotated_at > bindparam("idle_since", type_=_families.c.rotated_at.type),
        (_families.c.jkt.is_(None)) | (_families.c.jkt == bindparam("held_jkt", type_=_families.c.jkt.type)),
        (_families.c.x5t.is_(None)) | (_families.c.x5t == bindparam("held_x5t", type_=_families.c.x5t.type)),
        _is_entitled(_families.c.account_id, _families.c.auth_time),  # type: ignore[arg-type]
        ~exists().where(SessionRecord.sid == _families.c.sid, SessionRecord.ended_at.is_not(None)),
    )
    .values(n=_families.c.n + 1, rotated_at=bindparam("now", type_=_families.c.ends_at.type))
    .returning(*_families.columns)
)


def begin_at_once(grant: Grant, now: datetime, *, bound_to: Confirmation | None) -> str | None:
    """Begin a family and return its first token; ``None`` when the person may not have one. Commits."""
    begun = _BEGIN.run(new_family(grant, now, bound_to=bound_to))
    return None if begun is None else write_token(grant.id, 1)


def rotate_at_once(token: str, *, client_id: str, bound_to: Confirmation, now: datetime) -> Rotated | None:
    """Exchange the newest token of a living family for its successor; ``None`` for any other. Commits."""
    parsed = parse_token(token)
    if parsed is None:
        return None
    family_id, n = parsed
    moved = _MOVE.run(
        {
            "family_id": family_id, "old_n": n, "client": client_id, "now": now,
            "idle_since": now - settings.lifetimes.refresh_idle, "held_jkt": bound_to.jkt, "held_x5t": bound_to.x5t,
        },
    )  # fmt: skip
    if moved is None:
        return None
    grant = grant_of(moved)
    return Rotated(grant, grant.scopes, write_token(family_id, n + 1))

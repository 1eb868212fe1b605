"""The events of the trail itself."""

from idp.audit.trail import record


def audit_cut(position: int) -> None:
    """Events up to a position were old enough to be forgotten."""
    record("audit-cut", position=position)


def audit_read(*, administrator: str, surface: str, by: str, found: int, account_id: str | None) -> None:
    """Somebody searched the trail: ``by`` names what was searched for; only whose trail it was is said by its id."""
    record("audit-read", administrator=administrator, account_id=account_id, surface=surface, by=by, found=found)


def audit_person_named(*, administrator: str, surface: str, by: str, account_id: str | None) -> None:
    """Somebody asked which account an identifier names, by what kind of identifier, to search the trail by it."""
    record(
        "audit-person", outcome="found" if account_id else "not-found", administrator=administrator,
        account_id=account_id, surface=surface, by=by,
    )  # fmt: skip


def person_naming_throttled(*, administrator: str, surface: str) -> None:
    """Somebody asked for more people than one auditor looks into."""
    record("audit-person", outcome="throttled", administrator=administrator, surface=surface)


def audit_exported(*, events: int, first: int, last: int) -> None:
    """The trail was exported, from one position to another."""
    record("audit-exported", events=events, first=first, last=last)


def audit_verified(*, outcome: str, events: int, findings: int) -> None:
    """The trail was verified."""
    record("audit-verified", outcome=outcome, events=events, findings=findings)


def audit_key_made(kid: str) -> None:
    """Another key signs checkpoints from now on."""
    record("audit-key-made", kid=kid)

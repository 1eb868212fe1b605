"""The events of the trail itself."""

from idp.audit.trail import record


def audit_cut(position: int) -> None:
    """Events up to a position were old enough to be forgotten."""
    record("audit-cut", position=position)


def audit_read(*, administrator: str | None, by: str, found: int) -> None:
    """Somebody searched the trail; ``by`` names what was searched for, not its value."""
    record("audit-read", administrator=administrator, by=by, found=found)


def audit_exported(*, events: int, first: int, last: int) -> None:
    """The trail was exported, from one position to another."""
    record("audit-exported", events=events, first=first, last=last)


def audit_verified(*, outcome: str, events: int, findings: int) -> None:
    """The trail was verified."""
    record("audit-verified", outcome=outcome, events=events, findings=findings)


def audit_key_made(kid: str) -> None:
    """Another key signs checkpoints from now on."""
    record("audit-key-made", kid=kid)

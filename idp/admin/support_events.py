"""The audit events of the support desk; each also stands in the account holder's own history."""

from idp.audit import record


def account_looked_up(
    *, administrator: str, account_id: str | None, surface: str, reason: str, by: str, ticket: str
) -> None:
    """An adviser asked for an account, by what kind of identifier and for what reason, found or not."""
    record(
        "support-viewed", outcome="found" if account_id else "not-found", reason=reason, account_id=account_id,
        administrator=administrator, surface=surface, by=by, ticket=ticket,
    )  # fmt: skip


def look_up_throttled(*, administrator: str, surface: str) -> None:
    """An adviser asked for more accounts than one adviser helps people."""
    record("support-viewed", outcome="throttled", administrator=administrator, surface=surface)


def pauses_lifted(
    *, administrator: str, account_id: str, surface: str, reason: str, ticket: str, passwords: int, codes: int
) -> None:
    """An adviser lifted the pauses of an account."""
    record(
        "support-unlocked", reason=reason, account_id=account_id, administrator=administrator, surface=surface,
        ticket=ticket, passwords=passwords, codes=codes,
    )  # fmt: skip


def change_advised(kind: str, *, administrator: str, account_id: str, surface: str, reason: str, ticket: str) -> None:
    """An adviser had the account holder written to about changing an address or number themselves."""
    record(
        "support-change-advised", reason=reason, account_id=account_id, administrator=administrator, surface=surface,
        ticket=ticket, kind=kind,
    )  # fmt: skip

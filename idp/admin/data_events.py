"""The audit events of people's own rights over their data, exercised through the operator."""

from idp.audit import record


def account_erased(*, account_id: str, administrator: str, reason: str, ticket: str) -> None:
    """A person was forgotten; from now on the id stands for nobody."""
    record("account-erased", account_id=account_id, administrator=administrator, reason=reason, ticket=ticket)


def account_corrected(*, account_id: str, administrator: str, reason: str, ticket: str, values: str) -> None:
    """Values of an account were put right; ``values`` names them."""
    record(
        "account-corrected", account_id=account_id, administrator=administrator, reason=reason, ticket=ticket,
        values=values,
    )  # fmt: skip


def database_restored(
    *, administrator: str, position: int, last_event_at: str | None, sessions: int, refresh_families: int
) -> None:
    """A backup was restored: what came after ``position`` is not in the trail, and what was issued before has ended."""
    record(
        "database-restored", administrator=administrator, position=position, last_event_at=last_event_at,
        sessions=sessions, refresh_families=refresh_families,
    )  # fmt: skip

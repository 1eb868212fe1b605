"""The audit events about clients that are no act of `ACTS`: a trial, a secret that ends soon."""

from idp.audit import record


def client_tried(*, client_id: str, administrator: str, outcome: str, reason: str | None = None) -> None:
    """An administrator signed in to a client as themselves, to see its tokens, which were revoked at once."""
    record("client-tried", outcome=outcome, reason=reason, client_id=client_id, administrator=administrator)


def secret_ends(*, client_id: str, days: int, told: int) -> None:
    """A client's secret ends within so many days; ``told`` is how many contacts were written to."""
    record("secret-ends", outcome="told" if told else "nobody", client_id=client_id, days=days, told=told)

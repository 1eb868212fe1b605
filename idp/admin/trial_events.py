"""The audit events of trials: an administrator signed in to a client as themselves, to see its tokens."""

from idp.audit import record


def client_tried(*, client_id: str, administrator: str, outcome: str, reason: str | None = None) -> None:
    """A trial began (`begun`), gave tokens that were revoked at once (`ok`), or gave none (`refused`)."""
    record("client-tried", outcome=outcome, reason=reason, client_id=client_id, administrator=administrator)

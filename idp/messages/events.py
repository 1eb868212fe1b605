"""The audit events of messages: what became of each, never where it went."""

from idp.audit import record


def message_settled(
    outcome: str, *, account_id: str | None, answer_class: str | None, channel: str, purpose: str
) -> None:
    """A relay took a message or refused it, or its time ran out."""
    record("message", outcome=outcome, account_id=account_id, reason=answer_class, channel=channel, purpose=purpose)


def receipt_came(outcome: str, *, account_id: str | None, answer_class: str | None, channel: str, purpose: str) -> None:
    """A network said what became of a message that it had accepted."""
    record(
        "message-receipt", outcome=outcome, account_id=account_id, reason=answer_class, channel=channel, purpose=purpose
    )


def mail_bounced(outcome: str, *, account_id: str | None) -> None:
    """A mail came back."""
    record("bounce", outcome=outcome, account_id=account_id, channel="email")

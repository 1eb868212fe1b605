"""Proofs beyond the password: one-time codes, the levels that proofs reach, and which of them a visitor is offered."""

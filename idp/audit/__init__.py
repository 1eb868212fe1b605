"""What happened, for auditors and for the support desk: written at once, chained soon after, signed, searched, cut.

`trail` writes events without personal data, `chain` links them in order, `checkpoints` signs the chain's head, `verify`
finds what was tampered with, `retention` forgets what is old. Who records an event calls the function of that event, in
the `events.py` of its folder; the functions below are what those and the frame of the application stand on.
"""

from idp.audit.trail import AuditEvent, flush, record, waiting

__all__ = ["AuditEvent", "flush", "record", "waiting"]

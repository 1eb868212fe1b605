"""One plug-in of each kind: a hardware token, a file of staff, an SMS spool, a Maildir."""

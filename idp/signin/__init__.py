"""The walk of a visitor: an interaction that is kept, the steps still due in it, and their pages. No OIDC in here."""

"""What a relying party calls a person: a keyed value per sector, from which nothing can be computed (R9, F-07)."""

import base64
import re

from idp import crypto
from idp.oidc.clients import Client

# What every `sub` of a person looks like; no client may be called so.
SUBJECT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def subject_for(account_id: str, client: Client) -> str:
    """Return the `sub` of an account at a client: pairwise by default, one for all `public` clients."""
    sector = "public" if client.subject_type == "public" else f"sector:{client.sector_identifier or client.client_id}"
    return base64.urlsafe_b64encode(crypto.keyed("subject", sector, account_id)).decode().rstrip("=")

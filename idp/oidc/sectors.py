"""The list at a `sector_identifier_uri`: it proves that clients of several hosts belong together (OIDC Core §8.1)."""

import json
from collections.abc import Collection

from idp.db import release
from idp.fetch import FetchFault, fetch
from idp.oidc.errors import InvalidClientMetadata


def check_sector(uri: str, redirect_uris: Collection[str]) -> None:
    """Raise `InvalidClientMetadata` unless every redirect URI is in the list at ``uri``; ends the transaction.

    OpenID Connect Dynamic Client Registration §5: "The values of the registered redirect_uris MUST be included in the
    elements of the array."
    """
    release()
    try:
        answer = fetch(uri)
        listed = json.loads(answer.body) if answer.status == 200 else None
    except (FetchFault, ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise InvalidClientMetadata("sector_identifier_uri: does not answer with a JSON array of redirect URIs")
    if not set(redirect_uris) <= set(listed):
        raise InvalidClientMetadata("sector_identifier_uri: its array does not hold every redirect URI")

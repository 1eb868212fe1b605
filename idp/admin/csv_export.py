"""The list of clients as a table for a spreadsheet, which must not run what somebody wrote into a name."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from idp.admin.listing import Listed

COLUMNS = (
    "client_id", "name", "kind", "team", "state", "security_profile", "redirect_uris", "updated_at",
    "secret_expires_at", "secret_standing",
)  # fmt: skip
# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Without it, Excel reads UTF-8 as the letters of 1990.
_MARK = "\ufeff"


def to_csv(clients: Iterable[Listed]) -> str:
    """Return clients as RFC 4180 has tables."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in clients:
        writer.writerow([_cell(getattr(one, name)) for name in COLUMNS])
    return _MARK + text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return _harmless(" ".join(value))
    return _harmless(value.isoformat() if hasattr(value, "isoformat") else str(value))


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text

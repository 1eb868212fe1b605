"""A second factor: the small display that an organisation handed out, which shows six other digits every minute.

`[plugins.token]` says `seeds`: a file of JSON, from account claim `preferred_username` to the seed in base 64 that the
maker delivered. Whoever has a line in it has a token.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from idp.entry_points import own_settings
from idp.mfa.second_factor import Bearer
from idp.settings import Settings

STEP = 60
# The minute before and after: clocks of tokens drift. All of it is over long before a day has passed.
WINDOW = (0, -1, 1)
TEXTS = {
    "fr": {
        "with": "Utiliser le boîtier à codes",
        "have": "Vous avez le boîtier à codes de votre organisme ?",
        "title": "Lisez le code de votre boîtier",
        "label": "Code du boîtier",
        "hint": "6 chiffres, qui changent chaque minute.",
        "wrong": "Ce n’est pas le code du boîtier. Attendez le suivant et écrivez-le.",
    },
    "en": {
        "with": "Use the code token",
        "have": "Do you have your organisation’s code token?",
        "title": "Read the code on your token",
        "label": "Code of the token",
        "hint": "6 digits, which change every minute.",
        "wrong": "This is not the code of the token. Wait for the next one and type it.",
    },
}


class TokenFactor:
    """Compares with HMAC-SHA-1 over the minute, as RFC 6238 has it."""

    acr = "urn:sesame:acr:mfa"
    amr = ("pwd", "otp", "hwk", "mfa")

    def __init__(self, settings: Settings) -> None:
        seeds = json.loads(Path(own_settings(settings, "token")["seeds"]).read_text(encoding="utf-8"))
        self._seeds = {name: base64.b64decode(seed, validate=True) for name, seed in seeds.items()}

    def texts(self, locale: str) -> Mapping[str, str]:
        return TEXTS[locale]

    def is_enrolled(self, bearer: Bearer) -> bool:
        return self._seed(bearer) is not None

    def check(self, bearer: Bearer, typed: str, *, now: datetime) -> bool:
        seed, minute = self._seed(bearer), int(now.timestamp()) // STEP
        if seed is None:
            return False
        # Bytes, for `compare_digest` refuses other letters; every code of the window is compared, whichever is right.
        digits = typed.encode("utf-8", "surrogatepass")
        found = [hmac.compare_digest(code_of(seed, minute + drift).encode(), digits) for drift in WINDOW]
        return any(found)

    def _seed(self, bearer: Bearer) -> bytes | None:
        return self._seeds.get(str(bearer.claims.get("preferred_username", "")))


def code_of(seed: bytes, minute: int) -> str:
    """Return what the display shows in a minute (RFC 4226 §5.3)."""
    digest = hmac.new(seed, minute.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"

"""What a second factor of a plug-in must be able to do: the interface of `second_factors`.

Something that the account holder has at hand and types in: a code of a token, a number of a card. Counting, pauses and
single use are done here for every plug-in; `idp.plugins.contract_second_factor` holds one to the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

# What a typed secret may be worth (R5): a page that asks for one can be imitated, so never `phr`.
LEVELS: Final = ("urn:sesame:acr:2sv", "urn:sesame:acr:mfa")
# The texts that each language needs, and where each is shown.
TEXTS: Final[Mapping[str, str]] = {
    "with": "the link beside the other ways: « Utiliser la carte à codes »",
    "have": "what one needs for it, where one has lost the rest: « Vous avez votre carte à codes ? »",
    "title": "the title of the page",
    "label": "the name of the field",
    "hint": "what to type, in a sentence",
    "wrong": "what to do when it was wrong",
}


class FactorAway(Exception):
    """What the factor asks gave no answer: answer 503 and count nothing. Never a stand-in for « wrong »."""


@dataclass(frozen=True, repr=False, slots=True)
class Bearer:
    """Whose factor it is, as plain values: an account that the password has already been typed for."""

    account_id: str
    # To find the person elsewhere, on the organisation's own network; it goes into no log and no message (R9).
    nir: str
    email: str | None = None
    mobile: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)


class SecondFactor(Protocol):
    """One kind of thing that account holders have; used from many threads, never inside a database transaction."""

    # What it reaches together with the password, one of `LEVELS`, and the words of RFC 8176 for it. With `mfa` among
    # them exactly where the level is more than two steps.
    acr: str
    amr: tuple[str, ...]

    def texts(self, locale: str) -> Mapping[str, str]:
        """Return every text of `TEXTS` in a language, plain text, or raise KeyError for one it does not speak."""
        ...

    def is_enrolled(self, bearer: Bearer) -> bool:
        """Tell whether this person has one. Asked on every page of a sign-in: from memory, or in a millisecond."""
        ...

    def check(self, bearer: Bearer, typed: str, *, now: datetime) -> bool:
        """Tell whether ``typed`` is right now: 1 to 64 characters without spaces around them.

        What was right once is refused here for a day, so nothing may stay right for longer. Raises `FactorAway`.
        """
        ...

"""What a visitor may prove next, and how much is enough: one pure function of facts, with a word for the audit log.

Facts are what the service demands and wishes, what the account has, whether it knows the device, what the
administrator rules, and signals of the moment. `RULES` and `FLOORS` are all there is to it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from idp.mfa.levels import all_levels, is_at_least, reaches

Reason = Literal[
    "free",
    "demanded",
    "wished",
    "minimum",
    "unknown-device",
    "paused",
    "ruled-out",
    "unmet",
    "none-enrolled",
    "reset",
    "switched-off",
]

# The proof of a code that came over the channel of a reset.
RESET_CHANNEL = "reset-channel"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the administrator asks of every sign-in (settings `policy`)."""

    methods: tuple[str, ...] = ()
    minimum_level: str = ""
    unknown_device_level: str = ""


def with_distrust(enrolled: tuple[str, ...], distrusted: str) -> tuple[str, ...]:
    """Return the methods that count after a reset over the channel ``distrusted``.

    Whoever holds that channel has made the password: it is no second factor while the account has another one. An
    account that has nothing else is not shut out, but is told no better than it is (`RESET_CHANNEL`).
    """
    if distrusted not in enrolled:
        return enrolled
    others = tuple(method for method in enrolled if method != distrusted)
    return others or (RESET_CHANNEL,)


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """All that a decision depends on; ``enrolled`` methods are in the order in which pages offer them."""

    enrolled: tuple[str, ...]
    demanded: tuple[str, ...] = ()
    wished: tuple[str, ...] = ()
    device_is_known: bool = False
    codes_are_paused: bool = False
    # The channel over which a forgotten password was replaced a short while ago.
    distrusted: str = ""
    # What operators have switched off for now. It stays enrolled: an account that has it is not one that has it not.
    off: frozenset[str] = frozenset()
    rules: Rules = Rules()


@dataclass(frozen=True, slots=True)
class Decision:
    """The methods to offer, best suited first; the level that must be reached besides the demand; and why."""

    methods: tuple[str, ...]
    floor: str
    reason: Reason

    def is_met_by(self, acr: str | None, demanded: Iterable[str]) -> bool:
        """Tell whether a sign-in at ``acr`` is enough for the service and for the administrator."""
        return acr is not None and reaches(acr, demanded) and (not self.floor or is_at_least(acr, self.floor))


# Every floor that the administrator may lay, and when; of several the highest holds.
FLOORS: tuple[tuple[Reason, Callable[[PolicyFacts], str]], ...] = (
    ("minimum", lambda f: f.rules.minimum_level),
    ("unknown-device", lambda f: "" if f.device_is_known else f.rules.unknown_device_level),
)
# What takes a method away, and the word for it when none is left.
RULES: tuple[tuple[Reason, Callable[[PolicyFacts, str, str], bool]], ...] = (
    ("ruled-out", lambda f, method, floor: not f.rules.methods or _named(f, method) in f.rules.methods),
    ("unmet", lambda f, method, floor: reaches(level_with(method), f.demanded)),
    ("unmet", lambda f, method, floor: not floor or is_at_least(level_with(method), floor)),
    # Last: what would do is off, and nothing less will do instead.
    ("switched-off", lambda f, method, floor: _named(f, method) not in f.off),
)


def decide(facts: PolicyFacts) -> Decision:
    """Say which methods a visitor is offered after the password, what must be reached, and why."""
    why, floor = _floor(facts)
    if not facts.enrolled:
        return Decision((), floor, "none-enrolled")
    methods = with_distrust(facts.enrolled, facts.distrusted)
    if methods != facts.enrolled and why is None:
        why = "reset"
    for reason, keeps in RULES:
        methods = tuple(method for method in methods if keeps(facts, method, floor))
        if not methods:
            return Decision((), floor, reason)
    if facts.wished:
        # `acr_values` is a voluntary request (OpenID Connect Core §3.1.2.1): it orders, and rules nothing out.
        methods = tuple(sorted(methods, key=lambda method: not reaches(level_with(method), facts.wished)))
    if facts.codes_are_paused:
        return Decision(methods, floor, "paused")
    return Decision(methods, floor, why or ("demanded" if facts.demanded else "wished" if facts.wished else "free"))


def can_reach(methods: Iterable[str], wished: Iterable[str]) -> bool:
    """Tell whether one of ``methods`` would reach a level that somebody wishes for."""
    asked = tuple(wished)
    return any(reaches(level_with(method), asked) for method in methods)


def level_with(method: str) -> str | None:
    """Return the level that the password and ``method`` reach."""
    return next((level.acr for level in all_levels() if level.proofs == {"pwd", method}), None)


def _named(facts: PolicyFacts, method: str) -> str:
    return facts.distrusted if method == RESET_CHANNEL else method


def _floor(facts: PolicyFacts) -> tuple[Reason | None, str]:
    highest: tuple[Reason | None, str] = (None, "")
    for reason, level_of in FLOORS:
        floor = level_of(facts)
        if floor and (not highest[1] or is_at_least(floor, highest[1])):
            highest = (reason, floor)
    return highest

"""Which second factors a visitor is offered for what the service asks: a pure function of facts."""

from collections.abc import Sequence

from idp.mfa.levels import LEVELS, reaches

# The proof of a code that came over the channel of a reset.
RESET_CHANNEL = "reset-channel"


def offered_channels(available: Sequence[str], *, demanded: Sequence[str], wished: Sequence[str]) -> tuple[str, ...]:
    """Return the usable channels, best suited first; none when no factor of the account meets the demand.

    ``demanded`` levels must be met (an essential `acr`); ``wished`` ones only decide the order (`acr_values` is a
    voluntary request, OpenID Connect Core §3.1.2.1).
    """
    able = [channel for channel in available if reaches(_level_with(channel), demanded)]
    if not wished:
        return tuple(able)
    return tuple(sorted(able, key=lambda channel: not reaches(_level_with(channel), wished)))


def with_distrust(enrolled: Sequence[str], distrusted: str | None) -> tuple[str, ...]:
    """Return the methods that count after a reset over the channel ``distrusted``.

    Whoever holds that channel has made the password: it is no second factor while the account has another one. An
    account that has nothing else is not shut out, but is told no better than it is (`RESET_CHANNEL`).
    """
    if distrusted not in enrolled:
        return tuple(enrolled)
    others = tuple(method for method in enrolled if method != distrusted)
    return others or (RESET_CHANNEL,)


def can_reach(channels: Sequence[str], wished: Sequence[str]) -> bool:
    """Tell whether one of ``channels`` would reach a level that somebody wishes for."""
    return any(reaches(_level_with(channel), wished) for channel in channels)


def _level_with(channel: str) -> str | None:
    return next((level.acr for level in LEVELS if level.proofs == {"pwd", channel}), None)

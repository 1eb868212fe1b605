"""Which settings operators may change while the provider runs, within which bounds, and which way is weaker.

Few on purpose: those that are needed under attack. Each is read from `settings` where it is used, so that nothing else
has to know that it may change; what it changes to is laid over the settings of the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from idp.settings import Settings


@dataclass(frozen=True, slots=True)
class Limit:
    """A whole number; lengths of time are in seconds. ``weaker`` says which way less is kept out."""

    lowest: int
    highest: int
    weaker: Literal["more", "less", "neither"]

    def is_weaker(self, value: int, than: int) -> bool:
        """Tell whether a value keeps less out than another."""
        return value > than if self.weaker == "more" else value < than if self.weaker == "less" else False


LIMITS: Final[Mapping[str, Limit]] = {
    "code.sends_per_hour": Limit(1, 20, "more"),
    "code.sends_per_day": Limit(1, 50, "more"),
    "code.first_pause": Limit(60, 86_400, "less"),
    "throttle.address_failures": Limit(5, 10_000, "more"),
    "throttle.same_password_failures": Limit(5, 1_000, "more"),
    "throttle.reset_requests": Limit(1, 1_000, "more"),
    "throttle.client_failures": Limit(3, 1_000, "more"),
    "sms.hourly_budget": Limit(1, 1_000_000, "more"),
    "messages.new_device_delay": Limit(0, 21_600, "more"),
    "promotion.percentage": Limit(0, 100, "neither"),
}


def read_limit(settings: Settings, path: str) -> int:
    """Return what a limit is, as a whole number."""
    section, name = path.split(".")
    value = getattr(getattr(settings, section), name)
    return int(value.total_seconds()) if isinstance(value, timedelta) else int(value)


def with_limits(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Return settings with limits laid over them; what is unknown or out of bounds stays as the settings have it."""
    changes: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        limit = LIMITS.get(path)
        if limit is None or not isinstance(value, int) or not limit.lowest <= value <= limit.highest:
            continue
        section, name = path.split(".")
        is_time = isinstance(getattr(getattr(settings, section), name), timedelta)
        changes.setdefault(section, {})[name] = timedelta(seconds=value) if is_time else value
    sections = {section: getattr(settings, section).model_copy(update=changed) for section, changed in changes.items()}
    return settings.model_copy(update=sections)

"""How what installed packages offer is found: by the name that the settings give it, never by being installed.

A package that came along with another one does nothing here until an operator names it, and none takes the name of
something that is built in.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, Final, TypeVar, cast

from idp.settings import Settings, SettingsFault

Made = TypeVar("Made")

# Each group holds functions (or classes) from `Settings` to something that keeps its interface.
DIRECTORIES: Final = "sesame.directories"
SECOND_FACTORS: Final = "sesame.second_factors"
MAIL_TRANSPORTS: Final = "sesame.mail_transports"
SMS_TRANSPORTS: Final = "sesame.sms_transports"


def find_maker(group: str, name: str, built_in: Mapping[str, Callable[[Settings], Made]]) -> Callable[[Settings], Made]:
    """Return what makes the thing called ``name``, or raise `SettingsFault`."""
    if name in built_in:
        return built_in[name]
    offered = list(entry_points(group=group, name=name))
    if not offered:
        known = ", ".join(sorted({*built_in, *(one.name for one in entry_points(group=group))})) or "nothing"
        raise SettingsFault([f"{name}: no installed package offers it as one of {group} (there is: {known})"])
    if len(offered) > 1:
        packages = ", ".join(sorted(one.dist.name if one.dist else "?" for one in offered))
        raise SettingsFault([f"{name}: several packages offer it as one of {group}: {packages}"])
    try:
        return cast(Callable[[Settings], Made], offered[0].load())
    except (ImportError, AttributeError) as fault:
        raise SettingsFault([f"{name}: {offered[0].value} cannot be imported: {fault}"]) from fault


def make(
    group: str, name: str, settings: Settings, built_in: Mapping[str, Callable[[Settings], Made]] | None = None
) -> Made:
    """Return the thing called ``name``, made of the settings; raises `SettingsFault` for what it cannot work with."""
    try:
        return find_maker(group, name, built_in or {})(settings)
    except SettingsFault:
        raise
    except (ValueError, TypeError, KeyError, OSError) as fault:
        raise SettingsFault([f"{name}: {_said(fault)}"]) from fault


def own_settings(settings: Settings, name: str) -> Mapping[str, Any]:
    """Return what the operator tells one plug-in: the table `[plugins.<name>]`."""
    return settings.plugins.get(name, {})


def _said(fault: Exception) -> str:
    return f"setting {fault} is missing" if isinstance(fault, KeyError) else str(fault)

"""Every setting as it is in force, with its bounds and where it comes from; nothing secret is ever shown.

Secret is what the settings themselves call so (`SecretStr`), whatever holds such a thing, and what they keep out of
their own `repr`, such as the settings of plug-ins.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from idp.operations import settings_of_the_start
from idp.settings import PREFIX, Settings

Origin = Literal["run-time", "environment", "file", "default"]
GENERAL: Final = "general"
HIDDEN: Final = "•••"
_BOUNDS: Final = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))


def sections() -> list[str]:
    """Return the names of all sections; settings without one are `general`."""
    kinds = {name: field.annotation for name, field in Settings.model_fields.items()}
    return [GENERAL, *(name for name, kind in kinds.items() if _is_section(kind))]


def describe_settings(settings: Settings, environ: Mapping[str, str], *, section: str = "") -> list[dict[str, Any]]:
    """Return the settings of a section, or of all."""
    start = settings_of_the_start()
    return [
        {
            "name": ".".join(path),
            "value": _shown(value, field),
            "bounds": _bounds(field),
            "origin": "run-time" if value != _at(start, path) else _origin(start, path, environ),
            "meaning": field.description or "",
        }
        for path, value, field in _walk(settings, ())
        if not section or section == (path[0] if len(path) > 1 else GENERAL)
    ]


def _walk(model: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, FieldInfo]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel) and _is_section(field.annotation):
            yield from _walk(value, (*path, name))
        else:
            yield (*path, name), value, field


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _at(settings: Settings, path: tuple[str, ...]) -> Any:
    found: Any = settings
    for name in path:
        found = getattr(found, name)
    return found


def _origin(start: Settings, path: tuple[str, ...], environ: Mapping[str, str]) -> Origin:
    variable = PREFIX + "__".join(path).upper()
    if any(name == variable or name.startswith((f"{variable}__", f"{variable}_FILE")) for name in environ):
        return "environment"
    holder = _at(start, path[:-1])
    return "file" if path[-1] in holder.model_fields_set else "default"


def _shown(value: Any, field: FieldInfo) -> str:
    if not field.repr or _is_secret(value):
        return HIDDEN if value and value != SecretStr("") else ""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    if isinstance(value, tuple | list | frozenset):
        return ", ".join(_plain(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={_plain(one)}" for key, one in value.items())
    return _plain(value)


def _plain(value: Any) -> str:
    return f"{value.total_seconds():g} s" if isinstance(value, timedelta) else "" if value is None else str(value)[:300]


def _is_secret(value: Any) -> bool:
    if isinstance(value, SecretStr):
        return True
    if isinstance(value, dict):
        return any(map(_is_secret, value.values()))
    if isinstance(value, tuple | list | frozenset):
        return any(map(_is_secret, value))
    return isinstance(value, BaseModel) and any(_is_secret(getattr(value, name)) for name in type(value).model_fields)


def _bounds(field: FieldInfo) -> str:
    found = []
    for rule in field.metadata:
        for name, sign in _BOUNDS:
            bound = getattr(rule, name, None)
            if bound is not None:
                found.append(f"{sign} {_plain(bound)}")
    return ", ".join(found)

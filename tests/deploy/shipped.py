"""What `deploy/` holds, read as its own programs would read it, and what the code has to compare it with."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import BaseModel

from idp.commands import cli
from idp.settings import NOT_SETTINGS, Settings

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
_COMMAND = re.compile(r"\bidp ((?:[a-z][a-z-]*)(?: [^`\n|;#<>]*)?)")


def documents(path: Path) -> list[dict[str, Any]]:
    """Return every YAML document of a file."""
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]


def is_setting(variable: str) -> bool:
    """Tell whether an environment variable is one that the provider knows."""
    if variable in NOT_SETTINGS:
        return True
    path = variable.removeprefix("IDP_").lower().removesuffix("_file").split("__")
    kind: Any = Settings
    for part in path:
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            # A table of the operator's own, such as `field_keys`, has any key.
            return getattr(kind, "__origin__", None) is dict
        if part not in kind.model_fields:
            return False
        kind = kind.model_fields[part].annotation
    return True


def unknown_keys(tree: dict[str, Any], section: Any = Settings, path: str = "") -> Iterator[str]:
    """Name the keys of a configuration file that are no settings."""
    for name, value in tree.items():
        field = section.model_fields.get(name)
        if field is None:
            yield path + name
        elif isinstance(value, dict) and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from unknown_keys(value, field.annotation, f"{path}{name}.")


def commands_in(text: str) -> list[list[str]]:
    """Return the words of each `idp …` that stands in code of a page of documentation."""
    code = re.findall(r"```.*?\n(.*?)```", text, re.S) + re.findall(r"`([^`\n]+)`", text)
    return [found[1].split() for piece in code for found in _COMMAND.finditer(piece)]


def fault_of(words: list[str]) -> str | None:
    """Say what of a command line does not exist, if anything."""
    here: click.Command = cli
    rest = list(words)
    while isinstance(here, click.Group):
        if not rest:
            return None
        found = here.get_command(click.Context(here), rest[0])
        if found is None:
            return f"idp {' '.join(words)}: no command {rest[0]}"
        here, rest = found, rest[1:]
    known = {option for parameter in here.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    unknown = [word for word in rest if re.fullmatch(r"--[a-z][a-z-]*", word) and word not in known | {"--help"}]
    return f"idp {' '.join(words)}: no option {', '.join(unknown)}" if unknown else None

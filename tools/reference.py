"""Writes `docs/reference/*.md` from the code itself; `tests/test_docs.py` fails when a page is not what this writes.

Run it after adding a setting, a route, an error or a metric: ``make reference``.
"""

import ast
import sys
import tempfile
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from tools import dashboards, sizing

IDP = Path(__file__).parent.parent / "idp"
FOLDER = Path(__file__).parent.parent / "docs" / "reference"
HEAD = "<!-- Written by tools/reference.py from the code; edit the code, then run `make reference`. -->\n\n"


def settings_page() -> str:
    """List every setting with its variable and default."""
    from idp.settings import Settings

    rows = ["| key | variable | default | meaning |", "|---|---|---|---|"]
    rows += _setting_rows(Settings, ())
    intro = (
        "# Settings\n\nTOML in the file named by `IDP_CONFIG` (or `config/sesame.toml`), overridden by variables. "
        "`…_FILE` instead of a variable names a file that holds the value. Lengths of time are seconds.\n\n"
    )
    return HEAD + intro + "\n".join(rows) + "\n"


def _setting_rows(section: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    rows = []
    for name, field in section.model_fields.items():
        here = (*path, name)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            rows += _setting_rows(kind, here)
            continue
        variable = "IDP_" + "__".join(here).upper()
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{'.'.join(here)}` | `{variable}` | {_default(field.default)} | {meaning} |")
    return rows


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, timedelta):
        return f"`{value.total_seconds():g}`"
    if isinstance(value, tuple):
        return "`" + ", ".join(_default(item).strip("`") for item in value) + "`" if value else "none"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "none" if value in ("", None) else f"`{value}`"


def routes_page() -> str:
    """List every address that the provider answers."""
    from idp import create_app
    from idp.oidc.endpoints import ENDPOINTS
    from idp.settings import Settings
    from tests.conftest import example_settings

    with tempfile.TemporaryDirectory() as folder:
        app = create_app(
            Settings.model_validate(example_settings(database_url="sqlite://", state_file=Path(folder) / "state.db"))
        )
        app.extensions["sesame"]["state"].store.close()
    rows = ["| address | methods | what it does |", "|---|---|---|"]
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        methods = ", ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        if not methods:
            continue
        function = ENDPOINTS[rule.rule].function if rule.rule in ENDPOINTS else app.view_functions[rule.endpoint]
        rows.append(f"| `{rule.rule}` | {methods} | {(function.__doc__ or 'static files').strip().splitlines()[0]} |")
    return HEAD + "# Addresses\n\n" + "\n".join(rows) + "\n"


def metrics_page() -> str:
    """List every metric."""
    import idp.metrics  # noqa: F401

    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for collector in sorted(
        {c for c in REGISTRY._names_to_collectors.values() if getattr(c, "_name", "").startswith("idp_")},
        key=lambda c: c._name,
    ):  # type: ignore[attr-defined]
        labels = ", ".join(f"`{label}`" for label in collector._labelnames) or "none"  # type: ignore[attr-defined]
        name = collector._name + ("_total" if collector._type == "counter" else "")  # type: ignore[attr-defined]
        rows.append(f"| `{name}` | {collector._type} | {labels} | {collector._documentation} |")  # type: ignore[attr-defined]
    return HEAD + "# Metrics\n\n" + "\n".join(rows) + "\n"


def errors_page() -> str:
    """List what a relying party and a visitor may be told."""
    from babel.messages.pofile import read_po

    from idp.oidc import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.OAuthError)]
    rows = ["| error | status | when |", "|---|---|---|"]
    rows += [f"| `{kind.code}` | {kind.status} | {(kind.__doc__ or '').strip()} |" for kind in kinds[1:]]
    texts = {}
    for locale in ("fr", "en"):
        with (IDP / "translations" / locale / "LC_MESSAGES" / "messages.po").open("rb") as catalogue:
            texts[locale] = {message.id: message.string for message in read_po(catalogue)}
    pages = ["| page | in French | in English |", "|---|---|---|"]
    for path in sorted((IDP / "templates" / "errors").glob("*.html")):
        title = f"error.{path.stem}.title"
        pages.append(f"| `{path.stem}` | {texts['fr'].get(title, '')} | {texts['en'].get(title, '')} |")
    told = "\n".join(rows)
    return (
        f"{HEAD}# Errors\n\n## Told to relying parties\n\n{told}\n\n## Shown to visitors\n\n" + "\n".join(pages) + "\n"
    )


def methods_page() -> str:
    """List the second factors, what each reaches with the password, and every level."""
    from idp.mfa.levels import LEVELS
    from idp.mfa.methods import FACTORS, METHODS
    from idp.mfa.policy import FLOORS, RULES, level_with

    rows = ["| method | sends a code | proof | level with the password |", "|---|---|---|---|"]
    rows += [f"| `{name}` | no | `{one.proof}` | `{level_with(name)}` |" for name, one in FACTORS.items()]
    rows += [f"| `{name}` | yes | `{one.proof}` | `{level_with(name)}` |" for name, one in METHODS.items()]
    levels = ["| `acr`, weakest first | proofs | `amr` |", "|---|---|---|"]
    levels += [f"| `{one.acr}` | {_words(sorted(one.proofs))} | {_words(one.amr)} |" for one in LEVELS]
    reasons = [*(reason for reason, _ in FLOORS), *dict.fromkeys(reason for reason, _ in RULES)]
    return (
        f"{HEAD}# Methods and levels\n\nIn the order in which pages offer them:\n\n"
        + "\n".join(rows)
        + "\n\n## Levels\n\n"
        + "\n".join(levels)
        + f"\n\nWords of the policy's floors and rules in the audit log: {_words(reasons)}; besides them `free`, "
        "`demanded`, `wished`, `paused`, `none-enrolled`.\n"
    )


def events_page() -> str:
    """List every audit event that has a function of its own, with its fields."""
    rows = ["| event | recorded by | fields | when |", "|---|---|---|---|"]
    found = []
    for path in sorted(IDP.rglob("*events.py")):
        module = ".".join(("idp", *path.relative_to(IDP).with_suffix("").parts))
        functions = [
            one for one in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(one, ast.FunctionDef)
        ]
        found += [row for one in functions if (row := _event_row(module, one))]
    return (
        HEAD + "# Audit events\n\nEach has `at`, `outcome`, and where it is known `account_id`, `client_id`, "
        "`administrator`, `reference` and `reason`; the fields below are its own. `{kind}` is `email` or `mobile`.\n\n"
        + "\n".join([*rows, *sorted(found)])
        + "\n"
    )


def _event_row(module: str, function: ast.FunctionDef) -> str:
    """Return the row of a function that records an event; nothing for any other."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and ast.unparse(node.func) == "record"]
    if not calls:
        return ""
    name = ast.unparse(calls[0].args[0]).strip("f'")
    common = {"outcome", "account_id", "client_id", "administrator", "reason"}
    fields = [keyword.arg for keyword in calls[0].keywords if keyword.arg and keyword.arg not in common]
    text = " ".join((ast.get_docstring(function) or "").split())
    return f"| `{name}` | `{module}.{function.name}` | {_words(fields)} | {text} |"


def administration_page() -> str:
    """List roles of administrators and what each allows, the acts, and the addresses of the REST interface."""
    from idp.admin.actions import ACTS
    from idp.admin.api.openapi import PREFIX
    from idp.admin.api.routes import ROUTES
    from idp.admin.roles import NEEDS_NETWORK, PERMISSIONS, ROLES

    roles = [f"| permission | {' | '.join(ROLES)} | it lets one |", "|---" * (len(ROLES) + 2) + "|"]
    roles += [
        f"| `{name}` | {' | '.join('yes' if name in allowed else '' for allowed in ROLES.values())} | {text} |"
        for name, text in PERMISSIONS.items()
    ]
    acts = ["| act | permission | approved with |", "|---|---|---|"]
    acts += [f"| `{name}` | `{act.permission}` | `{act.approval}` |" for name, act in ACTS.items()]
    routes = ["| method | address | permission | what it does |", "|---|---|---|---|"]
    routes += [
        f"| {one.method} | `{PREFIX}{one.path}` | {needed} | {one.summary} |"
        for one in ROUTES
        for needed in (f"`{one.permission}`" if one.permission else "by what it is about",)
    ]
    return (
        f"{HEAD}# Administration\n\n## Roles\n\n"
        + "\n".join(roles)
        + f"\n\nA token holds {_words(sorted(NEEDS_NETWORK))} only together with networks.\n\n## Acts\n\n"
        + "\n".join(acts)
        + "\n\n## REST\n\n"
        + "\n".join(routes)
        + "\n"
    )


def _words(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


PAGES = {
    "events.md": events_page,
    "administration.md": administration_page,
    "methods.md": methods_page,
    "errors.md": errors_page,
    "settings.md": settings_page,
    "routes.md": routes_page,
    "metrics.md": metrics_page,
}


def main() -> None:
    """Write every page, and what else is written from the code: dashboards and the sizing table."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write(), encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name}\n")
    dashboards.write()
    sizing.write()


if __name__ == "__main__":
    main()

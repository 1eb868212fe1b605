"""Versions N and N+1 side by side, and back to N: what one writes the other reads (RC-28), in state and in tables.

`state_formats.json` holds an entry of every space as it was first written. It is not to be edited: a space that changes
gets fields with defaults; one that is new is added by `ROLLING_WRITE=1 pytest tests/root/test_rolling.py`.
"""

import ast
import dataclasses
import gc
import json
import os
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from flask import Flask

from idp.db import db
from idp.state import Space
from tests.signin.conftest import Visitor, relying_parties, visitor

__all__ = ["relying_parties", "visitor"]

FORMATS = Path(__file__).parent / "state_formats.json"
MIGRATIONS = Path(__file__).parents[2] / "idp" / "migrations" / "versions"
# Before the first release nothing has to run beside anything. From the next migration on, all are additive.
BEFORE_RELEASE = "0030"
PLAIN: dict[Any, Any] = {
    str: "x", int: 1, float: 1.5, bool: True, bytes: b"x", timedelta: timedelta(seconds=1), Any: "x",
    datetime: datetime(2026, 11, 24, tzinfo=UTC),
}  # fmt: skip


def spaces() -> dict[str, Space[Any]]:
    """Return every space of the product, by name."""
    import idp.assembly

    idp.assembly.blueprints()
    return {one.name: one for one in gc.get_objects() if type(one) is Space and one.type.__module__.startswith("idp.")}


def example_of(kind: Any) -> Any:
    """Return a value of a type in which every field says something."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return arguments[0]
    if origin in {Union, types.UnionType}:
        return example_of(next(one for one in arguments if one is not type(None)))
    if origin is tuple:
        return (example_of(arguments[0]),) if arguments[-1] is ... else tuple(map(example_of, arguments))
    if origin in {list, set, frozenset}:
        return origin([example_of(arguments[0])])
    if origin is not None:
        return {example_of(arguments[0]): example_of(arguments[1])}
    hints = get_type_hints(kind)
    return kind(**{one.name: example_of(hints[one.name]) for one in dataclasses.fields(kind) if one.init})


def test_every_space_is_read_as_it_was_first_written() -> None:
    known = json.loads(FORMATS.read_text()) if FORMATS.exists() else {}
    found = spaces()
    if os.environ.get("ROLLING_WRITE"):
        known |= {
            name: json.loads(one.encode(example_of(one.type))) for name, one in found.items() if name not in known
        }
        FORMATS.write_text(json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False) + "\n")

    assert set(found) - set(known) == set(), "a new space: run this with ROLLING_WRITE=1"
    for name, text in known.items():
        if name in found:
            found[name].decode(json.dumps(text))


def test_what_a_newer_version_adds_is_passed_over() -> None:
    known = json.loads(FORMATS.read_text())

    for name, space in spaces().items():
        if isinstance(known[name], dict):
            assert space.decode(json.dumps({**known[name], "of_tomorrow": {"a": [1]}})) == space.decode(
                json.dumps(known[name])
            ), name


@pytest.fixture
def tables_of_tomorrow(app: Flask) -> Iterator[None]:
    """Give every table a column that this version knows nothing of, as the next version's migration would."""
    with app.app_context():
        names = [table.name for table in db.metadata.sorted_tables]
        before = {name: _columns(name) for name in names}
        _alter(names, "ADD COLUMN of_tomorrow VARCHAR(20) DEFAULT 'x'")
    yield
    with app.app_context():
        _alter(names, "DROP COLUMN of_tomorrow")
        assert {name: _columns(name) for name in names} == before


def _alter(names: list[str], act: str) -> None:
    db.session.rollback()
    with db.engine.begin() as connection:
        for name in names:
            connection.exec_driver_sql(f"ALTER TABLE {name} {act}")
    db.engine.dispose()


def _columns(name: str) -> list[str]:
    from sqlalchemy import inspect

    return sorted(column["name"] for column in inspect(db.engine).get_columns(name))


@pytest.mark.usefixtures("tables_of_tomorrow")
def test_this_version_signs_people_in_on_the_next_versions_tables(visitor: Visitor, alice: str) -> None:
    assert "code" in visitor.sign_in().told


# -- migrations ----------------------------------------------------------------------------------------------------

# What takes away or forbids what the version before still does.
CONTRACTING = {
    "drop_column",
    "drop_table",
    "drop_constraint",
    "rename_table",
    "alter_column",
    "create_check_constraint",
}


def find_breaches(source: str) -> list[str]:
    """Return what in a migration the version before could not live with, unless it says which release made it safe."""
    tree = ast.parse(source)
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    said = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
            if isinstance(target, ast.Name)}  # fmt: skip
    if "CONTRACTS_AFTER" in said:
        return []
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    made = {
        call.args[0].value
        for call in calls
        if call.func.attr == "create_table" and isinstance(call.args[0], ast.Constant)
    }  # type: ignore[attr-defined]
    found = [call.func.attr for call in calls if call.func.attr in CONTRACTING]  # type: ignore[attr-defined]
    for call in calls:
        name = call.func.attr  # type: ignore[attr-defined]
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name == "Column" and keywords.get("nullable") == "False" and "server_default" not in keywords:
            found += ["not null without a default"] if not made else []
        if name == "create_index" and "postgresql_concurrently" not in keywords:
            on = ast.unparse(call.args[1]).strip("'") if len(call.args) > 1 else ""
            # RC-29: an index of a table that is in use is made beside the traffic.
            found += [] if on in made else ["an index that locks its table"]
    return found


@pytest.mark.parametrize(
    ("body", "breaches"),
    [
        ("op.add_column('accounts', sa.Column('x', sa.Text(), nullable=True))", []),
        ("op.add_column('accounts', sa.Column('x', sa.Text(), nullable=False, server_default=''))", []),
        ("op.create_table('new', sa.Column('x', sa.Text(), nullable=False)); op.create_index('i', 'new', ['x'])", []),
        ("op.create_index('i', 'accounts', ['x'], postgresql_concurrently=True)", []),
        ("op.add_column('accounts', sa.Column('x', sa.Text(), nullable=False))", ["not null without a default"]),
        ("op.create_index('i', 'accounts', ['x'])", ["an index that locks its table"]),
        ("op.drop_column('accounts', 'x')", ["drop_column"]),
        ("op.alter_column('accounts', 'x', nullable=False)", ["alter_column"]),
    ],
)
def test_a_migration_that_the_version_before_cannot_live_with_is_found(body: str, breaches: list[str]) -> None:
    assert find_breaches(f"def upgrade():\n    {body}\n") == breaches
    assert find_breaches(f"CONTRACTS_AFTER = '1.1'\ndef upgrade():\n    {body}\n") == []


def test_every_migration_since_the_first_release_only_adds_rc_29() -> None:
    later = [path for path in sorted(MIGRATIONS.glob("*.py")) if path.name[:4] > BEFORE_RELEASE]

    assert {path.name: found for path in later if (found := find_breaches(path.read_text()))} == {}

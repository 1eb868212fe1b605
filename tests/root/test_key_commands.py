"""`idp keys`: what an operator sees and does of the signing keys."""

import json
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from idp.admin.changes import AdminChange
from tests.conftest import Clock
from tests.root.test_commands import Run, environ, run, told

__all__ = ["environ", "run"]


def listed(run: Run) -> dict[str, Any]:
    return {row["kid"]: row for row in told(run("keys", "list", "--json"))}


def test_keys_are_made_at_the_first_start_and_listed_without_private_parts(run: Run) -> None:
    result = run("keys", "list", "--json")

    assert {(row["alg"], row["state"], row["service"]) for row in told(result)} == {
        ("RS256", "active", "sealed"),
        ("ES256", "active", "sealed"),
    }
    assert "PRIVATE" not in result.output
    assert '"d"' not in result.output


def test_rotate_publishes_waits_and_then_signs_and_its_exit_code_says_so(run: Run, clock: Clock) -> None:
    published = run("keys", "rotate", "--alg", "ES256", "--json")
    waiting = run("keys", "rotate", "--alg", "ES256", "--json")
    clock.step(days=7, seconds=1)
    done = run("keys", "rotate", "--alg", "ES256", "--json")

    assert [result.exit_code for result in (published, waiting, done)] == [3, 3, 0]
    steps = [json.loads(result.stdout)[0] for result in (published, waiting, done)]
    assert [step["outcome"] for step in steps] == ["published", "waiting", "rotated"]
    assert len({step["kid"] for step in steps}) == 1
    assert steps[1]["waits_for"] == "the key must be published until usable_at"
    keys = listed(run)
    assert keys[steps[2]["kid"]]["state"] == "active"
    assert keys[steps[2]["previous"][0]]["state"] == "retired"
    assert keys[steps[2]["previous"][0]]["leaves_at"]


def test_rotate_takes_every_algorithm_unless_told_otherwise(run: Run) -> None:
    result = run("keys", "rotate")

    assert result.exit_code == 3
    assert sorted(row["state"] for row in listed(run).values()) == ["active", "active", "next", "next"]


def test_an_emergency_replaces_the_key_and_says_what_breaks(run: Run) -> None:
    result = run("keys", "rotate", "--emergency", "--alg", "ES256", "--reason", "laptop stolen", "--json")

    assert result.exit_code == 0, result.output
    (step,) = json.loads(result.stdout)
    keys = listed(run)
    assert keys[step["previous"][0]]["state"] == "revoked"
    assert keys[step["previous"][0]]["reason"] == "laptop stolen"
    assert keys[step["kid"]]["state"] == "active"
    assert len(step["breaks"]) == 4


def test_what_is_done_here_stands_in_the_history_of_changes_as_the_consoles_ac_199(
    run: Run, clock: Clock, environ: dict[str, str]
) -> None:
    run("keys", "rotate", "--alg", "ES256")
    run("keys", "rotate", "--alg", "ES256")
    clock.step(days=7, seconds=1)
    signs = told(run("keys", "rotate", "--alg", "ES256", "--json"))[0]
    run("keys", "rotate", "--emergency", "--alg", "ES256", "--reason", "laptop stolen", "--json")

    engine = create_engine(environ["IDP_DATABASE_URL"])
    with engine.connect() as connection:
        rows = connection.execute(select(*AdminChange.__table__.columns).order_by(AdminChange.created_at)).all()
    engine.dispose()
    # What only waited is no change.
    assert [(one.act, one.target, one.state, one.surface, one.reason) for one in rows] == [
        ("key.rotate", "ES256", "applied", "cli", ""),
        ("key.rotate", "ES256", "applied", "cli", ""),
        ("key.revoke", "ES256", "applied", "cli", "laptop stolen"),
    ]
    assert rows[1].after["active"] == signs["kid"]
    assert all(one.created_by.startswith("cli:") for one in rows)


def test_an_emergency_needs_words_that_mean_something_later(run: Run) -> None:
    refused = run("keys", "rotate", "--emergency", "--alg", "ES256", "--reason", "x")

    assert (refused.exit_code, "at least 10 characters" in refused.output) == (1, True)
    assert {row["state"] for row in listed(run).values()} == {"active"}


@pytest.mark.parametrize(
    "arguments",
    [("--emergency",), ("--reason", "x"), ("--keep-next",), ("--anyway", "--emergency", "--reason", "x")],
)
def test_a_half_asked_emergency_changes_nothing(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("keys", "rotate", *arguments).exit_code == 2
    assert {row["state"] for row in listed(run).values()} == {"active"}

"""`idp audit` proves what happened, and ends as a script wants it."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ALICE_EMAIL, ALICE_NIR
from tests.root.test_commands import Run, add_alice, environ, run, told

__all__ = ["environ", "run"]


def change(environ: dict[str, str], statement: str) -> None:
    path = environ["IDP_DATABASE_URL"].removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


def test_a_good_trail_ends_with_0(run: Run) -> None:
    facts = told(run("audit", "verify", "--json"))

    assert facts["events"] > 0
    assert (facts["found"], facts["findings"], facts["waiting"]) == (0, [], 0)


_COLUMNS = "uid, at, event, outcome, reason, account_id, client_id, administrator, reference, facts, mac"


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["UPDATE audit_events SET outcome = 'refused' WHERE id = 2"], "changed: position 2, event 2:"),
        (["DELETE FROM audit_events WHERE id = 2"], "removed: position 2, event 2:"),
        (
            [f"INSERT INTO audit_events ({_COLUMNS}) SELECT {_COLUMNS} FROM audit_events WHERE id = 2"],
            "a copy of an earlier event",
        ),
        (
            [
                "UPDATE audit_links SET event_id = -1 WHERE position = 1",
                "UPDATE audit_links SET event_id = 1 WHERE position = 2",
                "UPDATE audit_links SET event_id = 2 WHERE position = 1",
            ],
            "reordered: position 1, event 2: the event of position 2 stands here",
        ),
    ],
    ids=["changed", "removed", "inserted", "reordered"],
)
def test_a_tampered_trail_ends_with_1_and_says_which_event(
    run: Run, environ: dict[str, str], statements: list[str], said: str
) -> None:
    """AC-199: whoever edits the trail in the database is found, and what they did is named."""
    told(run("audit", "verify", "--json"))
    for statement in statements:
        change(environ, statement)

    result = run("audit", "verify")

    assert result.exit_code == 1
    assert said in result.output


def test_an_export_is_verified_as_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "trail.jsonl"

    written = run("audit", "export", "--output", str(file), "--json")
    keys = next(line["keys"] for line in map(json.loads, file.read_text().splitlines()) if "start" in line)
    believed = [f"{kid}:{public}" for kid, public in keys.items()]

    assert written.exit_code == 0, written.output
    assert json.loads(written.stderr)["events"] > 0
    facts = told(run("audit", "verify", "--file", str(file), "--key", believed[0], "--json"))
    assert (facts["found"], facts["keys"]) == (0, "given")
    file.write_text(file.read_text().replace('"key-made"', '"key-gone"', 1))
    assert run("audit", "verify", "--file", str(file)).exit_code == 1
    file.write_text("nothing")
    assert "is not an export" in run("audit", "verify", "--file", str(file)).output


def test_a_trail_cut_short_is_known_from_kept_checkpoints(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    told(run("audit", "verify", "--json"))
    kept = tmp_path / "kept.json"
    kept.write_text(run("audit", "checkpoints", "--json").stdout)
    for table in ("audit_links", "audit_checkpoints", "audit_events", "audit_chain"):
        change(environ, f"DELETE FROM {table}")

    result = run("audit", "verify", "--checkpoints", str(kept))

    assert result.exit_code == 1
    assert "it was signed up to" in result.output


def test_the_trail_is_searched_by_event_and_person(run: Run) -> None:
    add_alice(run)

    found: list[dict[str, Any]] = told(run("audit", "search", "--event", "key-made", "--json"))

    assert {one["event"] for one in found} == {"key-made"}
    assert told(run("audit", "search", "--event", "audit-read", "--json"))[0]["facts"]["by"] == "event"
    assert "no such account" in run("audit", "search", "--account", "-", text="1851299999042\n").output


def test_a_number_of_a_person_is_no_word_to_search_by(run: Run) -> None:
    """AC-214: a command line stays in the shell's history; what is refused is not said back, and no search."""
    add_alice(run)

    refused = [run("audit", "search", f"--{field}", ALICE_NIR) for field in ("account", "client", "event")]

    assert [one.exit_code for one in refused] == [1, 1, 1]
    assert "account_id" in refused[0].output
    assert ALICE_NIR not in "".join(one.output for one in refused)
    assert told(run("audit", "search", "--event", "audit-read", "--json")) == []


def test_an_address_is_asked_for_unseen_and_found(run: Run) -> None:
    add_alice(run)

    found = run("audit", "search", "--account", "-", text=f"{ALICE_EMAIL}\n")

    assert "audit-person" in found.output
    assert ALICE_EMAIL not in found.output


def test_the_state_of_the_chain_is_told(run: Run) -> None:
    verified = told(run("audit", "verify", "--json"))

    chain = told(run("audit", "chain", "--json"))

    assert chain["position"] >= verified["last"]
    assert (chain["verified"]["outcome"], chain["verified"]["events"]) == ("ok", verified["events"])
    assert (chain["cut"], chain["restores"]) == (None, [])


def test_another_key_can_sign(run: Run) -> None:
    first = run("audit", "verify", "--json")

    made = told(run("audit", "rotate-key", "--json"))

    assert first.exit_code == 0
    assert len(bytes.fromhex(made["public"])) == 32
    assert told(run("audit", "verify", "--json"))["found"] == 0

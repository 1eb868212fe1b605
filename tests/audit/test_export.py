"""An export can be verified by somebody who has nothing but the file and the public key."""

import json

import pytest
from flask import Flask

from idp.audit.checkpoints import public_keys
from idp.audit.export import NoExport, export, verify_export
from tests.audit.conftest import Say
from tests.conftest import Clock


def lines(**bounds: object) -> list[str]:
    return [json.dumps(line) for line in export(**bounds)]  # type: ignore[arg-type]


@pytest.mark.usefixtures("settled")
def test_an_export_is_good_without_the_database(context: Flask) -> None:
    walk = verify_export(lines(), public_keys())

    assert (walk.seen, walk.count) == (32, 0)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    ("name", "what"), [("event", "changed"), ("account_id", "changed"), ("at", "changed"), ("digest", "changed")]
)
def test_a_changed_line_is_named(context: Flask, name: str, what: str) -> None:
    exported = [json.loads(line) for line in lines()]
    place = next(line for line in exported if line.get("position") == 9)
    place[name] = {"at": "2026-01-01T00:00:00+00:00", "digest": "00" * 32}.get(name, "x")

    walk = verify_export(map(json.dumps, exported))

    assert (what, 9) in {(one.what, one.position) for one in walk.findings}


@pytest.mark.usefixtures("settled")
def test_a_removed_line_is_named(context: Flask) -> None:
    exported = [line for line in lines() if json.loads(line).get("position") != 9]

    assert [(one.what, one.position) for one in verify_export(exported).findings] == [("removed", 9)]


@pytest.mark.usefixtures("settled")
def test_another_key_makes_the_checkpoints_unsigned(context: Flask) -> None:
    walk = verify_export(lines(), {kid: bytes(32) for kid in public_keys()})

    assert {one.what for one in walk.findings} == {"unsigned"}


def test_a_part_of_the_trail_begins_where_it_says(write: Say, clock: Clock) -> None:
    write(4)
    middle = clock()
    write(6)

    exported = lines(since=middle)

    assert verify_export(exported).count == 0
    assert json.loads(exported[0])["start"]["position"] == 4


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"start": 1, "keys": {}}', "no json"])
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(NoExport):
        verify_export([text] if text else [])

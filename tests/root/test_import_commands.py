"""`idp accounts import|export|delete|correct`: everybody at once, and one person's rights over their data."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from sqlalchemy import create_engine, text

from idp.accounts import import_lines, importing
from idp.admin.erasure import ERASED, KEPT
from tests.conftest import ALICE_EMAIL, ALICE_NIR
from tests.root.test_commands import Run, add_alice, environ, run, told

__all__ = ["environ", "run"]

HASH = bcrypt.hashpw(b"motdepasse-2019-ete", bcrypt.gensalt(4)).decode()


def nir(number: int) -> str:
    return f"19913999{number:05d}"


def people(count: int, begin: int = 0) -> list[dict[str, Any]]:
    return [
        {"nir": nir(number), "password_hash": HASH, "email": f"p{number}@example.fr", "family_name": f"Nom{number}"}
        for number in range(begin, begin + count)
    ]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def _write(rows: list[dict[str, Any]], name: str = "people.jsonl") -> str:
        path = tmp_path / name
        if path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        else:
            with path.open("w", encoding="utf-8", newline="") as out:
                table = csv.DictWriter(out, list(rows[0]), delimiter=";")
                table.writeheader()
                table.writerows(rows)
        return str(path)

    return _write


def rows_of(environ: dict[str, str], query: str) -> list[Any]:
    engine = create_engine(environ["IDP_DATABASE_URL"])
    with engine.connect() as connection:
        rows = list(connection.execute(text(query)))
    engine.dispose()
    return rows


def stored(environ: dict[str, str]) -> list[Any]:
    return rows_of(environ, "SELECT id, nir_index, password_hash FROM accounts ORDER BY id")


def import_file(run: Run, path: str, *more: str) -> Any:
    return run("accounts", "import", path, "--processes", "1", *more, "--json")


@pytest.mark.parametrize("name", ["people.jsonl", "people.csv"])
def test_everybody_in_a_file_is_there_with_a_sealed_hash(
    run: Run, environ: dict[str, str], write: Any, name: str
) -> None:
    path = write(people(7), name)

    result = import_file(run, path)

    assert told(result)["added"] == 7
    assert all(row.password_hash.startswith("$legacy$") and HASH not in row.password_hash for row in stored(environ))
    assert "bcrypt" in run("accounts", "import", path, "--check", "--json").stdout


def test_a_cell_of_two_lines_is_never_cut_in_two(
    run: Run, environ: dict[str, str], write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first end of a line after so few bytes lies within the cell.
    monkeypatch.setattr(import_lines, "CHUNK", 37)
    path = write(
        [{**row, "address": f'1 rue "Aÿ"\n{"x" * row_number}'} for row_number, row in enumerate(people(30))], "p.csv"
    )

    told_of = told(import_file(run, path))

    assert (told_of["added"], told_of["refused"]) == (30, 0)


def test_several_processes_do_the_same(run: Run, environ: dict[str, str], write: Any) -> None:
    result = run(
        "accounts",
        "import",
        write([{**row, "website": "w" * 190} for row in people(2100)]),
        "--processes",
        "2",
        "--json",
    )

    assert told(result)["added"] == 2100
    assert len(stored(environ)) == 2100


def test_the_same_people_again_change_nothing(run: Run, environ: dict[str, str], write: Any) -> None:
    import_file(run, write(people(5)))
    before = stored(environ)

    first, again = import_file(run, write(people(5))), import_file(run, write(people(5)), "--again")

    assert "taken before" in first.stderr
    assert (told(again)["added"], told(again)["already there"]) == (0, 5)
    assert stored(environ) == before


def test_one_bad_line_stops_all_until_that_is_wanted_and_is_reported_without_its_values(
    run: Run, environ: dict[str, str], write: Any
) -> None:
    rows = people(6)
    rows[1]["nir"] = "199139999900199"
    rows[2]["email"] = "nobody"
    rows[3]["password_hash"] = "5f4dcc3b5aa765d61d8327deb882cf99"
    rows[4]["nir"] = rows[0]["nir"]
    path = write(rows)

    refused = import_file(run, path)
    assert refused.exit_code == 1
    assert stored(environ) == []
    told_of = Path(path + ".refused.csv").read_text(encoding="utf-8")
    assert [line.split(",")[:2] for line in told_of.splitlines()[1:]] == [
        ["2", "nir"], ["3", "email"], ["4", "password_hash"], ["5", "nir"],
    ]  # fmt: skip
    assert rows[0]["nir"] not in told_of + refused.output
    assert "nobody" not in told_of + refused.output

    taken = told(import_file(run, path, "--skip-refused"))
    assert (taken["added"], taken["refused"]) == (2, 4)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("email,family_name", "`nir`"),
        ("nir,password", "clear passwords"),
        ("nir,email,email", "twice"),
        ("nir,shoe_size", "shoe_size"),
        ("nir,nir_sealed", "nir_sealed"),
    ],
)
def test_a_header_that_cannot_stand_is_named(run: Run, tmp_path: Path, header: str, words: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(f"{header}\n1,2,3\n", encoding="utf-8")

    result = import_file(run, str(path))

    assert result.exit_code == 1
    assert words in result.output


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"nir": "1991399999001", "shoe_size": 4}', '{"nir": 1991399999001}', '{"nir": "1\\u0000"}']
)
def test_a_line_that_is_no_person_is_refused_and_the_next_one_read(run: Run, tmp_path: Path, line: str) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text(line + "\n" + json.dumps(people(1)[0]) + "\n", encoding="utf-8")

    taken = told(import_file(run, str(path), "--skip-refused"))

    assert (taken["added"], taken["refused"]) == (1, 1)


def test_a_line_that_is_not_utf_8_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(
        b"nir,family_name\r\n" + nir(1).encode() + ",Lefèvre\r\n".encode("latin-1") + nir(2).encode() + b",A"
    )

    taken = told(import_file(run, str(path), "--skip-refused"))

    assert (taken["added"], taken["refused"]) == (1, 1)


class TestChangedNir:
    """A number changes (a provisional one becomes final): the person stays who they are (security.md §3.3)."""

    def test_the_account_keeps_its_id_under_the_new_number(self, run: Run, environ: dict[str, str], write: Any) -> None:
        import_file(run, write([{"nir": "7990399999001"}]))
        before = stored(environ)

        taken = told(import_file(run, write([{"nir": nir(1), "previous_nir": "7990399999001"}])))

        after = stored(environ)
        assert (taken["NIR changed"], taken["added"]) == (1, 0)
        assert [row.id for row in after] == [row.id for row in before]
        assert [row.nir_index for row in after] != [row.nir_index for row in before]
        assert run("accounts", "show", nir(1)).exit_code == 0
        assert run("accounts", "show", "7990399999001").exit_code == 1

    def test_doing_so_twice_is_once(self, run: Run, environ: dict[str, str], write: Any) -> None:
        import_file(run, write([{"nir": "7990399999001"}]))
        path = write([{"nir": nir(1), "previous_nir": "7990399999001"}])
        import_file(run, path)

        again = told(import_file(run, path, "--again"))

        assert (again["NIR changed"], again["already there"]) == (0, 1)
        assert len(stored(environ)) == 1

    def test_two_accounts_are_never_made_one(self, run: Run, environ: dict[str, str], write: Any) -> None:
        import_file(run, write([{"nir": "7990399999001"}, {"nir": nir(1)}]))
        before = stored(environ)

        result = import_file(run, write([{"nir": nir(1), "previous_nir": "7990399999001"}]), "--skip-refused")

        assert told(result)["refused"] == 1
        assert "both numbers have an account" in result.stderr
        assert stored(environ) == before


def test_a_stopped_import_goes_on_and_takes_nobody_twice(
    run: Run, environ: dict[str, str], write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, taken, times = write(people(2500)), importing.take_batch, iter(range(9))
    monkeypatch.setattr(import_lines, "CHUNK", 100_000)

    def stop_at_the_third(*arguments: Any, **more: Any) -> None:
        if next(times) == 2:
            raise KeyboardInterrupt
        taken(*arguments, **more)

    monkeypatch.setattr(importing, "take_batch", stop_at_the_third)
    assert import_file(run, path).exit_code != 0
    before = len(stored(environ))
    assert 0 < before < 2500
    monkeypatch.undo()

    result = import_file(run, path)

    assert f"going on after line {before:,}" in result.stderr
    assert told(result)["added"] == 2500
    assert len(stored(environ)) == 2500


def test_where_nobody_looks_progress_is_plain_lines(run: Run, write: Any) -> None:
    result = import_file(run, write(people(3)))

    assert re.search(r"^taking 100\.0%  3 lines  [\d,]+/s  in 0:00:\d\d$", result.stderr, re.M)
    assert "\r" not in result.stderr


def test_an_export_is_what_an_import_reads(run: Run, environ: dict[str, str], write: Any, tmp_path: Path) -> None:
    rows = people(3)
    rows[0]["address"] = {"locality": "Lyon"}
    import_file(run, write(rows))
    path = tmp_path / "out.jsonl"

    assert told(run("accounts", "export", str(path), "--numbers", "--hashes", "--json"))["accounts"] == 3

    out = sorted(
        (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()), key=lambda row: row["nir"]
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert [{name: row[name] for name in rows[0] if name in row} for row in out] == rows
    assert run("accounts", "export", str(path)).exit_code == 1
    bare = tmp_path / "bare.jsonl"
    run("accounts", "export", str(bare))
    assert nir(1) not in bare.read_text(encoding="utf-8")
    assert HASH not in bare.read_text(encoding="utf-8")
    events = rows_of(environ, "SELECT event, facts FROM audit_events WHERE event = 'accounts-exported' ORDER BY id")
    assert [json.loads(row.facts) for row in events] == [
        {"accounts": 3, "numbers": True, "hashes": True}, {"accounts": 3, "numbers": False, "hashes": False},
    ]  # fmt: skip


class TestOnePerson:
    @pytest.fixture
    def alice(self, run: Run) -> str:
        assert add_alice(run).exit_code == 0
        return str(told(run("accounts", "show", ALICE_NIR, "--json"))["id"])

    def test_the_forgotten_are_forgotten_and_only_the_trail_says_so(
        self, run: Run, environ: dict[str, str], alice: str
    ) -> None:
        """GDPR article 17."""
        gone = run("accounts", "delete", alice, "--reason", "asked", "--ticket", "DPO-1", "--yes", "--json")

        assert told(gone)["erased rows"] >= 1
        assert stored(environ) == []
        assert run("accounts", "show", ALICE_NIR).exit_code == 1
        assert run("accounts", "delete", alice, "--reason", "asked", "--yes").exit_code == 1
        (event,) = rows_of(
            environ, "SELECT account_id, reason, administrator FROM audit_events WHERE event='account-erased'"
        )
        assert (event.account_id, event.reason) == (alice, "asked")
        assert [row.kind for row in rows_of(environ, "SELECT kind FROM security_events")] == ["account-disabled"]

    def test_nothing_is_erased_without_a_yes(self, run: Run, environ: dict[str, str], alice: str) -> None:
        assert run("accounts", "delete", alice, "--reason", "asked", text="n\n").exit_code == 1
        assert len(stored(environ)) == 1

    def test_a_wrong_address_is_put_right_and_the_old_one_told(
        self, run: Run, environ: dict[str, str], alice: str
    ) -> None:
        """GDPR article 16; ASVS 6.3.7."""
        done = run(
            "accounts", "correct", alice, "--reason", "typing", "--set", "email=alice.m@example.fr",
            "--set", "given_name=Alix", "--json",
        )  # fmt: skip

        assert told(done)["corrected"] == ["email", "given_name"]
        purposes = rows_of(environ, "SELECT purpose FROM outbox WHERE channel = 'email'")
        assert [row.purpose for row in purposes] == ["alert-email-changed", "alert-email-changed"]
        assert ALICE_EMAIL not in done.output

    def test_a_wrong_number_is_put_right_without_ever_standing_on_a_command_line(
        self, run: Run, environ: dict[str, str], alice: str
    ) -> None:
        assert run("accounts", "correct", alice, "--reason", "x", "--set", f"nir={nir(3)}").exit_code == 2

        done = run("accounts", "correct", alice, "--reason", "typing", "--nir", "--json", text=nir(3) + "\n")

        assert done.exit_code == 0
        assert nir(3) not in done.output
        assert [row.id for row in stored(environ)] == [alice]
        assert run("accounts", "show", nir(3)).exit_code == 0

    def test_another_person_s_number_and_an_unknown_value_are_refused(self, run: Run, alice: str, write: Any) -> None:
        import_file(run, write([{"nir": nir(3)}]))

        assert run("accounts", "correct", alice, "--reason", "x", "--nir", text=nir(3) + "\n").exit_code == 1
        assert run("accounts", "correct", alice, "--reason", "x", "--set", "status=disabled").exit_code == 1


def test_every_table_that_names_an_account_is_erased_or_kept_for_a_reason(run: Run) -> None:
    from idp.db import db

    children = {
        table.name
        for table in db.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "accounts" and key.ondelete == "CASCADE"
    }
    naming = {table.name for table in db.metadata.tables.values() if "account_id" in table.columns}

    assert naming - children - {table.__tablename__ for table in ERASED} == set(KEPT)

"""A database as `idp db upgrade` leaves it: migrated once per worker, copied for each test."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from idp.commands import cli


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, dict[str, str]], None]:
    """Return what puts a migrated database at a path; the environment is that of the commands that will use it."""
    place = tmp_path_factory.mktemp("migrated") / "sesame.db"

    def copy_to(path: Path, environ: dict[str, str]) -> None:
        if not place.exists():
            changed = {**environ, "IDP_DATABASE_URL": f"sqlite:///{place}"}
            told = CliRunner(env=changed).invoke(cli, ["db", "upgrade"])
            assert told.exit_code == 0, told.output
        # Not a copy of the file: what was written last may still stand in the log beside it.
        with closing(sqlite3.connect(place)) as connection:
            connection.execute("VACUUM INTO ?", (str(path),))

    return copy_to

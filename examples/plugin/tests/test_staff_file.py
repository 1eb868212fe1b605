"""The file of staff keeps the contract of directories."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sesame_example.staff_file import StaffFile, hash_password

from idp.accounts.outside import Directory
from idp.plugins.contract_directory import DirectoryContract, Known
from idp.settings import Settings

ALICE, BOB, EVE = (
    Known("1991399999001", "correct-horse-9-battery"),
    Known("299132A999003", "another-horse-7-staple"),
    Known("1501299999010", "somebody-who-left-5"),
)


@pytest.fixture(scope="module")
def staff() -> list[dict[str, object]]:
    return [
        {"nir": ALICE.nir, "password": hash_password(ALICE.password), "email": "alice@example.fr", "name": "Alice"},
        {"nir": BOB.nir, "password": hash_password(BOB.password), "mobile": "+33612345647"},
        {"nir": EVE.nir, "password": hash_password(EVE.password), "left": True},
    ]


@pytest.fixture
def file(staff: list[dict[str, object]], tmp_path: Path) -> Path:
    path = tmp_path / "staff.json"
    path.write_text(json.dumps(staff))
    return path


class TestStaffFile(DirectoryContract):
    @pytest.fixture
    def directory(self, settings: Callable[..., Settings], file: Path) -> Directory:
        return StaffFile(settings(staff_file={"file": str(file)}))

    @pytest.fixture
    def somebody(self) -> Known:
        return ALICE

    @pytest.fixture
    def other(self) -> Known:
        return BOB

    @pytest.fixture
    def disabled(self) -> Known:
        return EVE

    @pytest.fixture
    def away(self, settings: Callable[..., Settings], file: Path) -> Iterator[Directory]:
        directory = StaffFile(settings(staff_file={"file": str(file)}))
        file.unlink()
        yield directory
        directory.close()

    def test_a_changed_file_is_read_again(self, directory: Directory, file: Path) -> None:
        changed = [{"nir": ALICE.nir, "password": hash_password("the-new-password-1")}]
        file.write_text(json.dumps(changed))
        os.utime(file, ns=(1, 1))

        assert directory.authenticate(ALICE.nir, ALICE.password) is None
        assert directory.authenticate(ALICE.nir, "the-new-password-1") is not None
        assert directory.find(BOB.nir) is None

"""How accounts are stored, found and added."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from idp import crypto
from idp.accounts import directory
from idp.accounts.contacts import ContactFault
from idp.accounts.directory import DuplicateAccount, NoSuchAccount, add_account
from idp.accounts.models import Account
from idp.accounts.new_passwords import PasswordFault
from idp.accounts.nir import NirFault, parse_nir
from idp.accounts.passwords import check_password
from idp.db import db
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ALICE_PASSWORD, Clock

OTHER_NIR = "185052A006084"


@pytest.mark.usefixtures("context")
class TestFind:
    def test_an_account_is_found_by_its_number_however_typed(self, alice: str) -> None:
        """AC-62: one account."""
        for typed in (ALICE_NIR, "1 99 13 99 999 001", "１９９１３９９９９９００１", "1\u00a099\u00a013 99-999.OO1"):
            found = directory.find_account_by_nir(parse_nir(typed))

            assert found is not None
            assert found.id == alice

    def test_nobody_is_found_by_another_number(self, alice: str) -> None:
        assert directory.find_account_by_nir(OTHER_NIR) is None
        assert directory.find_account("no-such-id") is None
        with pytest.raises(NoSuchAccount):
            directory.get_account("no-such-id")

    def test_what_was_stored_comes_back(self, alice: str, clock: Clock) -> None:
        account = directory.get_account(alice)

        assert (account.nir, account.email, account.mobile) == (ALICE_NIR, ALICE_EMAIL, ALICE_MOBILE)
        assert account.claims == {
            "name": "Alice Martin",
            "given_name": "Alice",
            "family_name": "Martin",
            "email": ALICE_EMAIL,
            "email_verified": True,
            "phone_number": ALICE_MOBILE,
            "phone_number_verified": True,
            "locale": "fr",
            "updated_at": int(clock.moment.timestamp()),
        }

    def test_an_account_without_contact_points_claims_none(self) -> None:
        account = add_account(nir=OTHER_NIR, password=None)

        assert (account.email, account.mobile, account.profile) == (None, None, {})
        assert account.claims.keys() == {"locale", "updated_at"}

    def test_an_unproven_address_is_not_called_verified(self) -> None:
        account = add_account(nir=OTHER_NIR, password=None, email="b@orange.fr", mobile="+33612345678", verified=False)

        assert account.claims["email_verified"] is False
        assert account.claims["phone_number_verified"] is False

    def test_the_number_fits_into_no_claim(self) -> None:
        """F-10."""
        with pytest.raises(ValueError, match="not claims of a profile: nir"):
            add_account(nir=OTHER_NIR, password=None, claims={"name": "B", "nir": OTHER_NIR})


@pytest.mark.usefixtures("context")
class TestAtRest:
    def test_a_copy_of_the_table_tells_nothing(self, alice: str) -> None:
        """F-08, AC-65: neither number, nor address, nor name, nor password."""
        rows = db.session.execute(text("SELECT * FROM accounts")).mappings().all()
        dump = json.dumps(
            [{k: bytes(v).hex() if isinstance(v, bytes | memoryview) else str(v) for k, v in r.items()} for r in rows]
        )

        for secret in (ALICE_NIR, ALICE_EMAIL, ALICE_MOBILE, "Martin", ALICE_PASSWORD):
            assert secret not in dump
            assert secret.encode().hex() not in dump

    def test_a_sealed_value_does_not_open_in_another_row(self, alice: str) -> None:
        other = add_account(nir=OTHER_NIR, password=None, email="b@orange.fr")
        other.email_sealed = directory.get_account(alice).email_sealed

        with pytest.raises(crypto.Unreadable):
            _ = other.email

    def test_nor_in_another_column(self, alice: str) -> None:
        account = directory.get_account(alice)
        account.email_sealed = account.nir_sealed

        with pytest.raises(crypto.Unreadable):
            _ = account.email

    def test_an_account_shows_only_its_id(self, alice: str) -> None:
        assert repr(directory.get_account(alice)) == f"<Account {alice}>"
        assert repr(directory.find_credentials(ALICE_NIR)).count("argon2") == 0


@pytest.mark.usefixtures("context")
class TestChange:
    def test_a_number_has_one_account(self, alice: str) -> None:
        with pytest.raises(DuplicateAccount) as fault:
            add_account(nir=ALICE_NIR, password=None)

        assert ALICE_NIR not in str(fault.value)
        assert fault.value.__cause__ is None
        # The transaction lives on: an import goes to the next line.
        add_account(nir=OTHER_NIR, password=None)
        db.session.commit()
        assert len(db.session.scalars(select(Account)).all()) == 2

    def test_twenty_imports_of_one_person_make_one_account(self, app: Flask) -> None:
        db.session.rollback()

        def add(_: int) -> str:
            with app.app_context():
                try:
                    account = add_account(nir=OTHER_NIR, password=None)
                    db.session.commit()
                except DuplicateAccount:
                    return "duplicate"
                return account.id

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(add, range(20)))
        assert answers.count("duplicate") == 19
        assert len(db.session.scalars(select(Account)).all()) == 1

    @pytest.mark.parametrize(
        ("wrong", "fault", "reason"),
        [
            ({"nir": "185052A00608"}, NirFault, "length"),
            ({"email": "b@"}, ContactFault, "format"),
            ({"mobile": "0123456789"}, ContactFault, "not-mobile"),
            ({"password": "short"}, PasswordFault, "short"),
            ({"password": "motdepasse1234"}, PasswordFault, "common"),
            ({"password": OTHER_NIR}, PasswordFault, "context"),
            ({"password": "Bernadette-2024", "claims": {"given_name": "Bernadette"}}, PasswordFault, "context"),
            ({"password": "bbb.durand@orange.fr", "email": "bbb.durand@orange.fr"}, PasswordFault, "context"),
        ],
    )
    def test_typed_values_are_checked_at_the_door(
        self, wrong: dict[str, Any], fault: type[Exception], reason: str
    ) -> None:
        with pytest.raises(fault, match=f"^{reason}$"):
            add_account(**{"nir": OTHER_NIR, "password": None, **wrong})

        assert db.session.scalars(select(Account)).all() == []

    def test_an_administrator_sees_masks(self, alice: str) -> None:
        """F-09."""
        shown = directory.describe_account(directory.get_account(alice))

        assert (shown["email"], shown["mobile"]) == ("a•••••n@e•••.fr", "•• •• •• •• 47")
        assert not {ALICE_NIR, ALICE_EMAIL, ALICE_MOBILE} & set(shown.values())
        assert "argon2" not in str(shown)

    def test_a_new_password_ends_the_old_one(self, alice: str, clock: Clock) -> None:
        later = clock.step(days=1)

        directory.set_password(alice, "another-long-password", now=later)
        db.session.commit()

        account = directory.get_account(alice)
        assert check_password(account.password_hash, "another-long-password").ok
        assert not check_password(account.password_hash, ALICE_PASSWORD).ok
        assert account.password_changed_at == account.updated_at == later

    def test_a_stronger_hash_never_overwrites_a_new_password(self, alice: str, clock: Clock) -> None:
        old = directory.get_account(alice).password_hash
        assert old is not None
        directory.set_password(alice, "another-long-password", now=clock.moment)
        db.session.commit()

        directory.strengthen_hash(alice, old=old, new="$argon2id$stale")
        db.session.commit()

        assert check_password(directory.get_account(alice).password_hash, "another-long-password").ok

    def test_the_status_is_one_of_three(self, alice: str, clock: Clock) -> None:
        directory.set_status(alice, "restricted", now=clock.step(hours=1))
        db.session.commit()

        assert directory.get_account(alice).status == "restricted"
        with pytest.raises(Exception, match=r"(?i)check constraint"):
            directory.set_status(alice, "gone", now=clock.moment) or db.session.flush()  # type: ignore[arg-type]

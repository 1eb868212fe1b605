"""Hashes of other systems: recognised, kept sealed, good for one sign-in (R10)."""

import base64
import hashlib
from datetime import timedelta

import bcrypt
import pytest
from flask import Flask

from idp.accounts import directory
from idp.accounts.legacy_hashes import LegacyFault, matches, read_legacy
from idp.accounts.passwords import check_password, hash_password, keep_legacy
from idp.accounts.signin import Authenticated, Refused, authenticate
from idp.db import db
from tests.accounts.test_passwords import use_passwords
from tests.conftest import ALICE_NIR, Clock

TYPED = "motdepasse-été-2019"
ADDRESS = "192.0.2.7"


def ab64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=").replace("+", ".")


def pbkdf2(digest: str, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac(digest, TYPED.encode(), b"seasalt-seasalt", rounds)


def ssha(digest: str, label: str, typed: bytes = TYPED.encode()) -> str:
    return label + base64.b64encode(hashlib.new(digest, typed + b"salt").digest() + b"salt").decode()


FOREIGN = {
    "bcrypt": bcrypt.hashpw(TYPED.encode(), bcrypt.gensalt(4)).decode(),
    "bcrypt of PHP": bcrypt.hashpw(TYPED.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
    "wrapped bcrypt": "{bcrypt}" + bcrypt.hashpw(TYPED.encode(), bcrypt.gensalt(4)).decode(),
    "Django": f"pbkdf2_sha256$1000$seasalt-seasalt${base64.b64encode(pbkdf2('sha256', 1000)).decode()}",
    "Werkzeug": f"pbkdf2:sha512:1000$seasalt-seasalt${pbkdf2('sha512', 1000).hex()}",
    "passlib": f"$pbkdf2-sha512$1000${ab64(b'seasalt-seasalt')}${ab64(pbkdf2('sha512', 1000))}",
    "sha1": f"pbkdf2:sha1:1000$seasalt-seasalt${pbkdf2('sha1', 1000).hex()}",
    "SSHA": ssha("sha1", "{SSHA}"),
    "SSHA512": ssha("sha512", "{SSHA512}"),
    "SSHA of a Latin-1 system": ssha("sha1", "{SSHA}", TYPED.encode("latin-1")),
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_hash_knows_its_password_and_no_other(foreign: str) -> None:
    canonical = read_legacy(foreign)

    assert matches(canonical, TYPED)
    assert read_legacy(canonical) == canonical
    for wrong in (TYPED.upper(), TYPED + " ", TYPED[:-1], ""):
        assert not matches(canonical, wrong)


# From https://www.akkadia.org/drepper/SHA-crypt.txt.
DREPPER = [
    (
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    (
        "This is just a test",
        "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
    ),
    (
        "the minimum number is still observed",
        "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.",
    ),
]


@pytest.mark.parametrize(("typed", "hashed"), DREPPER)
def test_sha512_crypt_is_drepper_s(typed: str, hashed: str) -> None:
    assert matches(read_legacy(hashed), typed)
    assert not matches(read_legacy(hashed), typed + "x")


@pytest.mark.parametrize(
    ("foreign", "reason"),
    [
        ("", "unknown-scheme"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "unknown-scheme"),
        ("$1$salt$qJH7.N4xYta3aEG/dfqo/0", "unknown-scheme"),
        ("$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA", "unknown-scheme"),
        ("$2x$05$" + "a" * 53, "unknown-scheme"),
        ("$2b$05$" + "a" * 52, "malformed"),
        ("$2b$31$" + "a" * 53, "too-costly"),
        (FOREIGN["Django"].replace("$1000$", "$100000000$"), "too-costly"),
        (FOREIGN["Django"].replace("$1000$", "$9999999999$"), "too-costly"),
        (FOREIGN["Django"].replace("$1000$", "$0$"), "malformed"),
        (FOREIGN["Django"][:-4], "malformed"),
        (DREPPER[0][1][:-1], "malformed"),
        ("$6$rounds=999999999$" + DREPPER[0][1][3:], "too-costly"),
        ("{SSHA}" + base64.b64encode(bytes(20)).decode(), "malformed"),
        ("{SSHA}***", "malformed"),
        ("{SSHA384}" + base64.b64encode(bytes(60)).decode(), "unknown-scheme"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_at_import(foreign: str, reason: str) -> None:
    with pytest.raises(LegacyFault, match=reason):
        read_legacy(foreign)


@pytest.mark.usefixtures("context")
class TestKept:
    def test_the_longest_of_them_fits_its_column_and_cannot_be_read_there(self) -> None:
        for foreign in FOREIGN.values():
            stored = keep_legacy(foreign)

            assert len(stored) <= 255
            assert read_legacy(foreign) not in stored
            assert base64.b64decode(stored.removeprefix("$legacy$")).find(foreign.encode()[-10:]) == -1

    def test_a_copied_or_damaged_one_is_nobody_s(self) -> None:
        stored = keep_legacy(FOREIGN["SSHA"])

        assert not check_password(stored[:-8] + "AAAAAAA=", TYPED).ok

    def test_one_sign_in_makes_it_ours_and_the_old_one_is_gone(self, app: Flask, clock: Clock) -> None:
        account = directory.add_account(nir=ALICE_NIR, password=None)
        account.password_hash = keep_legacy(FOREIGN["bcrypt"])
        db.session.commit()

        def sign_in(password: str) -> object:
            return authenticate(nir=ALICE_NIR, password=password, device_cookie=None, address=ADDRESS, now=clock.moment)

        assert isinstance(sign_in("motdepasse-ete-2019"), Refused)
        assert (directory.get_account(account.id).password_hash or "").startswith("$legacy$")
        assert isinstance(sign_in(TYPED), Authenticated)
        assert (directory.get_account(account.id).password_hash or "").startswith("$argon2id$")
        assert isinstance(sign_in(TYPED), Authenticated)
        assert isinstance(sign_in("motdepasse-ete-2019"), Refused)

    def test_refusals_take_the_time_that_is_set_whatever_was_compared_ac_55(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import time

        use_passwords(app, monkeypatch, memory_kib=64, time_cost=1, refuse_after=timedelta(seconds=0.2))
        legacy, ours = keep_legacy(FOREIGN["Django"]), hash_password(TYPED)

        for stored in (None, ours, legacy):
            started = time.perf_counter()
            assert not check_password(stored, "wrong").ok
            assert 0.2 <= time.perf_counter() - started < 2

"""Which browsers are recognised, and for whom (R7, AC-09, AC-175)."""

import pytest
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select

from idp import crypto, entropy
from idp.accounts import devices, directory
from idp.accounts.models import KnownDevice
from idp.db import db
from tests.conftest import Clock

BOB_NIR = "2850597411084"


@pytest.fixture
def bob(context: object) -> str:
    account = directory.add_account(nir=BOB_NIR, password=None)
    db.session.commit()
    return account.id


@pytest.mark.usefixtures("context")
class TestDevices:
    def test_a_browser_is_recognised_after_a_sign_in(self, alice: str, clock: Clock) -> None:
        assert not devices.is_recognised(None, alice)

        cookie = devices.remember_device(None, alice, "Firefox, Windows", clock.moment)

        assert devices.is_recognised(cookie, alice)
        assert [device.label for device in devices.list_devices(alice)] == ["Firefox, Windows"]

    def test_the_cookie_of_one_account_gives_no_credit_for_another(self, alice: str, bob: str, clock: Clock) -> None:
        """AC-09."""
        cookie = devices.remember_device(None, alice, "Firefox", clock.moment)

        assert not devices.is_recognised(cookie, bob)
        assert devices.find_device(cookie, None, now=clock.moment) is None

    def test_a_family_shares_a_browser(self, alice: str, bob: str, clock: Clock) -> None:
        first = devices.remember_device(None, alice, "Firefox", clock.moment)
        second = devices.remember_device(first, bob, "Firefox", clock.moment)

        assert devices.is_recognised(second, alice)
        assert devices.is_recognised(second, bob)

    def test_a_copied_cookie_dies_at_the_owners_next_sign_in(self, alice: str, clock: Clock) -> None:
        copied = devices.remember_device(None, alice, "Firefox", clock.moment)
        kept = devices.remember_device(copied, alice, "Firefox", clock.step(days=1))

        assert not devices.is_recognised(copied, alice)
        assert devices.is_recognised(kept, alice)
        assert len(devices.list_devices(alice)) == 1

    def test_a_planted_cookie_gives_its_planter_nothing(self, alice: str, bob: str, clock: Clock) -> None:
        """Bob puts his cookie into Alice's browser; her sign-in must not recognise his."""
        planted = devices.remember_device(None, bob, "Chrome", clock.moment)

        devices.remember_device(planted, alice, "Firefox", clock.moment)

        assert not devices.is_recognised(planted, alice)

    def test_the_table_does_not_hold_the_cookie(self, alice: str, clock: Clock) -> None:
        cookie = devices.remember_device(None, alice, "Firefox", clock.moment)
        row = db.session.scalars(select(KnownDevice)).one()

        value, _, signature = cookie.partition(".")
        assert row.device_hash not in (value, signature)
        assert len(value) == 43

    def test_forged_and_edited_cookies_are_refused(self, alice: str, clock: Clock) -> None:
        """AC-175."""
        good = devices.remember_device(None, alice, "Firefox", clock.moment)
        value, _, signature = good.partition(".")
        row = db.session.scalars(select(KnownDevice)).one()
        forged = [
            "", ".", value, f"{value}.", f".{signature}", f"{value}.{signature[:-1]}", f"{value}.{signature.upper()}",
            f"{value}.{signature}.", f"{value}.{signature} ", f" {value}.{signature}", f"{value[:-1]}x.{signature}",
            f"{value}.{crypto.fingerprint(value)}", f"{value}.{crypto.keyed('csrf', value).hex()}",
            f"{row.device_hash}.{signature}", f"{value}.é", f"{value}.\udc80", "x" * 100_000, f"{value}.\0{signature}",
            *(URLSafeTimedSerializer(key).dumps({"account": alice}) for key in ("dev", "secret", "changeme")),
        ]  # fmt: skip

        assert [cookie for cookie in forged if devices.is_recognised(cookie, alice)] == []

    def test_a_well_signed_cookie_without_a_row_is_nobodys(self, alice: str, clock: Clock) -> None:
        value = entropy.token()
        cookie = f"{value}.{devices._sign(value)}"

        assert not devices.is_recognised(cookie, alice)
        kept = devices.remember_device(cookie, alice, "Firefox", clock.moment)
        assert devices.is_recognised(kept, alice)

    def test_one_device_or_all_can_be_revoked(self, alice: str, bob: str, clock: Clock) -> None:
        phone = devices.remember_device(None, alice, "Phone", clock.moment)
        desk = devices.remember_device(None, alice, "Desk", clock.moment)
        shared = devices.remember_device(None, alice, "Shared", clock.moment)
        shared = devices.remember_device(shared, bob, "Shared", clock.moment)
        phone_hash = devices.find_device(phone, alice, now=clock.moment)

        assert devices.revoke_devices(alice, now=clock.moment, device_hash=phone_hash) == 1
        assert [devices.is_recognised(cookie, alice) for cookie in (phone, desk, shared)] == [False, True, True]

        assert devices.revoke_devices(alice, now=clock.moment) == 2
        assert not any(devices.is_recognised(cookie, alice) for cookie in (phone, desk, shared))
        assert devices.is_recognised(shared, bob)
        assert devices.list_devices(alice) == []

    def test_a_revoked_device_comes_back_by_a_whole_sign_in_only(self, alice: str, clock: Clock) -> None:
        cookie = devices.remember_device(None, alice, "Desk", clock.moment)
        devices.revoke_devices(alice, now=clock.moment)

        again = devices.remember_device(cookie, alice, "Desk", clock.step(hours=1))

        assert devices.is_recognised(again, alice)
        assert not devices.is_recognised(cookie, alice)

    def test_a_device_that_was_not_used_for_a_year_is_forgotten(self, alice: str, clock: Clock) -> None:
        cookie = devices.remember_device(None, alice, "Desk", clock.moment)

        clock.step(days=364)
        assert devices.is_recognised(cookie, alice)
        clock.step(days=1)
        assert not devices.is_recognised(cookie, alice)

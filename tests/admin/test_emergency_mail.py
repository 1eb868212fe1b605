"""A broken glass is heard: by every role-admin and approver who can be written to, once, in their language."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from idp import clock as idp_clock
from idp.accounts.directory import get_account
from idp.admin import actions
from idp.admin.administrators import find_administrator
from idp.admin.faults import Forbidden
from idp.db import db
from idp.messages import outbox
from tests.admin.conftest import BACK, Acting, document

REASON = "the site is down since 3 a.m."


def write_to(name: str, email: str, locale: str = "fr", *, confirmed: bool = True) -> None:
    found = find_administrator(name)
    assert found is not None
    account = get_account(found.account_id or "")
    account.set_email(email, verified_at=idp_clock.now() if confirmed else None)
    account.locale = locale
    db.session.commit()


def change(acting: Acting, who: str, *, emergency: bool) -> None:
    given = document(redirect_uris=[f"{BACK}/2"])
    actions.perform(
        acting(who), "client.update", "shop", given, now=idp_clock.now(), reason=REASON, emergency=emergency
    )


def mails() -> dict[str, Any]:
    found = outbox.claim(channel="email", worker="w", limit=50, lease=timedelta(minutes=1), now=idp_clock.now())
    told = [one for one in found if one.purpose == "admin-emergency"]
    assert len({one.to for one in told}) == len(told)
    return {one.to: one.message for one in told}


def test_whoever_gives_roles_or_approves_is_told_once_in_their_language(
    acting: Acting, shop: str, with_settings: Any
) -> None:
    with_settings(admin={"four_eyes": True, "emergency_to": ["duty@example.fr", "ada@example.fr"]})
    write_to("ada", "ada@example.fr", "en")
    write_to("rose", "rose@example.fr")
    write_to("ruth", "ruth@example.fr", confirmed=False)
    write_to("eve", "eve@example.fr")
    write_to("both", "both@example.fr")

    change(acting, "both", emergency=True)

    told = mails()
    assert sorted(told) == ["ada@example.fr", "both@example.fr", "duty@example.fr", "rose@example.fr"]
    assert told["ada@example.fr"].subject == "One person acted alone (break-glass)"
    assert "By: both (console)" in told["ada@example.fr"].text
    assert "Une personne a agi seule" in told["rose@example.fr"].subject
    assert REASON in told["duty@example.fr"].text


def test_a_change_that_waits_or_is_refused_is_no_emergency(acting: Acting, shop: str, with_settings: Any) -> None:
    with_settings(admin={"four_eyes": True, "emergency_to": ["duty@example.fr"]})

    change(acting, "eve", emergency=False)
    with pytest.raises(Forbidden):
        change(acting, "eve", emergency=True)

    assert mails() == {}


@pytest.mark.parametrize(
    "given", ["Duty <duty@example.fr>", "duty", "a@example.fr,b@example.fr", "a@example.fr\nBcc: x"]
)
def test_what_is_no_address_does_not_start(with_settings: Any, given: str) -> None:
    with pytest.raises(ValidationError):
        with_settings(admin={"emergency_to": [given]})

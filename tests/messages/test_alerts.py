"""Alerts: every confirmed channel is told in the same transaction, the old address too, each with a stop key."""

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp import crypto
from idp.accounts import directory
from idp.db import db
from idp.messages.alerts import KINDS, alert
from idp.messages.gsm7 import count_septets, is_gsm7
from idp.messages.models import Outbox
from idp.messages.stops import find_stop, parse_stop, use_stop
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, Clock


def written() -> list[tuple[str, str, dict[str, str]]]:
    """Return channel, recipient and message of everything in the outbox."""
    import json

    rows = db.session.scalars(select(Outbox).order_by(Outbox.id)).all()
    return [
        (
            row.channel,
            crypto.unseal(row.recipient or b"", context=f"outbox:recipient:{row.idempotency_key}"),
            json.loads(crypto.unseal(row.content or b"", context=f"outbox:content:{row.idempotency_key}")),
        )
        for row in rows
    ]


@pytest.fixture
def account(context: Flask, alice: str) -> Any:
    return directory.get_account(alice)


@pytest.mark.parametrize("locale", ["fr", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_goes_to_mail_and_mobile_in_both_languages(
    account: Any, clock: Clock, kind: str, locale: str
) -> None:
    account.locale = locale

    alert(account, kind, now=clock(), detail={"name": "iPhone <de> Julie", "device": "Firefox (Windows)"})

    (_, to, mail), (_, number, sms) = written()
    assert (to, number) == (ALICE_EMAIL, ALICE_MOBILE)
    assert "iPhone <de> Julie" in mail["text"]
    assert "iPhone &lt;de&gt; Julie" in mail["html"]
    assert "Firefox (Windows)" in mail["text"]
    assert mail["subject"]
    assert f'lang="{locale}"' in mail["html"]
    assert not re.search(r"https?:|<a[ >]|mail\.[a-z]+\.", mail["text"] + mail["html"])
    assert is_gsm7(sms["text"])
    assert count_septets(sms["text"]) <= 160


def test_each_message_has_a_stop_key_of_its_own(account: Any, clock: Clock) -> None:
    alert(account, "password-changed", now=clock())

    keys = [
        parse_stop(match[0])
        for _, _, message in written()
        if (match := re.search(r"\b[0-9A-Z]{3}-?[0-9A-Z]{3}-?[0-9A-Z]{3}\b", message["text"]))
    ]
    assert len(set(keys)) == 2
    for key in keys:
        stop = find_stop(key or "")
        assert stop is not None
        assert (stop.account_id, stop.sids, stop.challenge_id) == (account.id, None, None)


def test_the_old_address_hears_of_the_change_too(account: Any, clock: Clock) -> None:
    alert(account, "email-changed", now=clock(), old_email="ancienne@example.fr")

    assert [to for _, to, _ in written()] == [ALICE_EMAIL, ALICE_MOBILE, "ancienne@example.fr"]


def test_an_unconfirmed_address_is_told_nothing(account: Any, clock: Clock) -> None:
    account.email_verified_at = None

    alert(account, "factor-added", now=clock())

    assert [channel for channel, _, _ in written()] == ["sms"]


def test_an_alert_belongs_to_the_callers_transaction(account: Any, clock: Clock) -> None:
    alert(account, "factor-added", now=clock())
    db.session.rollback()

    assert written() == []


def test_a_kind_that_nobody_wrote_texts_for_is_an_error(account: Any, clock: Clock) -> None:
    with pytest.raises(ValueError, match="no such alert"):
        alert(account, "hacked", now=clock())


@pytest.mark.parametrize("typed", ["7KQ-4MX-CDF", "7kq4mxcdf", " 7 K Q 4 M X C D F ", "7KQ\u20114MX\u20114CD"])
def test_a_stop_key_is_read_however_it_is_spaced(typed: str) -> None:
    assert parse_stop(typed) is not None


@pytest.mark.parametrize("typed", ["", "7KQ-4MX", "7KQ-4MX-CDFF", "000-000-000", "éàùéàùéàù", "x" * 100_000])
def test_anything_else_is_no_stop_key(typed: str) -> None:
    assert parse_stop(typed) is None


def test_a_stop_key_is_used_once_and_known_a_little_longer(account: Any, clock: Clock) -> None:
    alert(account, "factor-added", now=clock())
    text = written()[0][2]["text"]
    key = parse_stop((re.search(r"\w{3}-\w{3}-\w{3}", text) or [""])[0]) or ""

    assert use_stop(key, clock()) is not None
    assert use_stop(key, clock()) is None
    assert find_stop(key) is not None
    clock.step(hours=2)
    assert find_stop(key) is None

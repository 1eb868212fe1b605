"""Secrets: when each was last used, and that nobody learns from an outage that one has ended."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from idp.admin import actions
from idp.admin.actors import operator
from idp.admin.secret_warnings import addresses_in, warn, warning_due
from idp.db import db
from idp.messages.models import Outbox
from idp.oidc.clients import ClientSecret
from idp.oidc.secret_use import forget_uses
from tests.admin.conftest import document
from tests.conftest import Clock
from tests.oidc.conftest import Maker
from tests.oidc.conftest import make_client as make_client

START = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


def secret(made: int, ends: int | None, used: int | None = None, warned: int | None = None) -> ClientSecret:
    """Return a secret by days."""
    at = {name: None if day is None else START + timedelta(days=day) for name, day in (("e", ends), ("u", used))}
    return ClientSecret(
        created_at=START + timedelta(days=made), expires_at=at["e"], last_used_at=at["u"], warned_days=warned
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "others", "day", "due"),
    [
        (secret(0, 365), [], 334, None),
        (secret(0, 365), [], 335, 30),
        (secret(0, 365, warned=30), [], 340, None),
        (secret(0, 365, warned=30), [], 358, 7),
        (secret(0, 365), [], 364, 1),
        (secret(0, 365, warned=1), [], 364, None),
        (secret(0, 365), [], 365, None),
        (secret(0, None), [], 999, None),
        # Made for two weeks: not told at its birth.
        (secret(0, 14), [], 0, None),
        (secret(0, 14), [], 7, 7),
        # Another one has taken over, and nothing uses the old one since; or something does.
        (secret(0, 365, used=330), [secret(331, None)], 340, None),
        (secret(0, 365, used=339), [secret(331, None)], 340, 30),
        # The newer one ends first: it takes over nothing.
        (secret(0, 365, used=330), [secret(331, 340)], 339, 30),
    ],
)
def test_a_warning_is_due_once_for_each_date_and_only_where_somebody_would_miss_it(
    one: ClientSecret, others: list[ClientSecret], day: int, due: int | None
) -> None:
    assert warning_due(one, others, START + timedelta(days=day)) == due


def test_contacts_are_written_to_ahead_of_the_end_each_once(app: Flask, shop: str, clock: Clock) -> None:
    contacts = ["Équipe Web <web@example.fr>, secu@example.fr", "01 23 45 67 89", "web@example.fr", "@", "a@b@c"]
    with app.app_context():
        actions.perform(operator("x"), "client.update", shop, document(contacts=contacts), now=clock())
        made = {"label": "2026", "overlap_days": 0, "expires_days": 365}
        actions.perform(operator("x"), "client.add-secret", shop, made, now=clock())
        assert addresses_in(contacts) == ["web@example.fr", "secu@example.fr"]
        assert warn(clock()) == 0
        clock.step(days=360)

        assert [warn(clock()), warn(clock())] == [1, 0]
        db.session.commit()

        rows = db.session.scalars(select(Outbox)).all()
        assert [(row.purpose, row.account_id) for row in rows] == [("secret-ends", None)] * 2


def test_a_use_is_written_once_a_day_and_costs_no_statement_else(app: Flask, make_client: Maker, clock: Clock) -> None:
    client = make_client("used", grant_types=["client_credentials"], machine_scope="api")

    def last_used() -> Any:
        with app.app_context():
            return db.session.scalars(select(ClientSecret.last_used_at)).one()

    with app.app_context():
        forget_uses()
    assert last_used() is None
    client.post("/token", grant_type="client_credentials")
    first = last_used()
    assert first == clock()
    clock.step(hours=2)
    seen: list[str] = []
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listener := lambda _c, _cursor, said, *_: seen.append(said))
    for _ in range(3):
        clock.step(minutes=2)
        client.post("/token", grant_type="client_credentials")
    event.remove(engine, "before_cursor_execute", listener)

    assert last_used() == first
    assert not [one for one in seen if one.startswith("UPDATE client_secrets")]
    clock.step(hours=23)
    client.post("/token", grant_type="client_credentials")
    assert last_used() == clock()

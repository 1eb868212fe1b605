"""A client's grants and errors day by day: counted at the token endpoint, summed on the provider's own days."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import event

from idp import figures
from idp.admin.activity import read_activity
from idp.admin.plots import spark
from idp.db import db
from tests.admin.test_console import Coming
from tests.admin.test_console import admin as admin
from tests.conftest import Clock
from tests.oidc.conftest import Maker
from tests.oidc.conftest import make_client as make_client


def test_a_client_sees_its_own_grants_and_errors_by_day(app: Flask, make_client: Maker, clock: Clock) -> None:
    """Ids that begin alike, or hold what LIKE takes for a joker, are not mixed up."""
    grants = {"grant_types": ["client_credentials"], "machine_scope": "api"}
    clients = [make_client(name, **grants) for name in ("a_p", "a_p2", "axp")]
    with app.app_context():
        figures.begin_anew()
    for client in clients:
        client.post("/token", grant_type="client_credentials")
    write(app, clock)
    clock.step(days=1)
    # As the worker does once a minute: what is counted from here on belongs to this hour.
    write(app, clock)
    for _ in range(2):
        clients[0].post("/token", grant_type="client_credentials")
    clients[0].post("/token", grant_type="refresh_token", refresh_token="x")
    write(app, clock)

    with app.app_context():
        found = read_activity("a_p", clock())

    assert found.grants == {"client_credentials": 3}
    assert found.errors == {"unauthorized_client": 1}
    granted, refused = (one.values for one in found.plot.series)
    assert (granted[-2:], refused[-2:]) == ((1, 2), (0, 1))
    assert found.plot.slots[-1] - found.plot.slots[0] == timedelta(days=13)


def test_the_list_shows_every_clients_fortnight_with_one_query(
    admin: Coming, app: Flask, make_client: Maker, clock: Clock
) -> None:
    """Ids that begin alike are not mixed up, and a longer list asks no more."""
    grants = {"grant_types": ["client_credentials"], "machine_scope": "api"}
    clients = [make_client(name, **grants) for name in ("a_p", "a_p2")]
    with app.app_context():
        figures.begin_anew()
    for client, times in zip(clients, (1, 3), strict=True):
        for _ in range(times):
            client.post("/token", grant_type="client_credentials")
    write(app, clock)
    rita, asked = admin("rita", "/admin/clients"), [0, 0]

    with app.app_context(), statements(asked):
        rita.open("/admin/clients")
    make_client("quiet")
    with app.app_context(), statements(asked):
        page = rita.open("/admin/clients").text

    assert "Activité de Service\u00a0: 1 jetons en 14 jours, 1 aujourd’hui" in page
    assert "Activité de Service\u00a0: 3 jetons en 14 jours, 3 aujourd’hui" in page
    assert page.count('class="spark"') == 2
    assert "aucun jeton" in page
    assert asked[0] == asked[1] > 0


@contextmanager
def statements(counts: list[int]) -> Iterator[None]:
    """Count the statements of this block under the first place that holds nothing yet."""
    place = counts.index(0)

    def count(*_said: Any) -> None:
        counts[place] += 1

    event.listen(db.engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", count)


def test_bars_are_as_high_as_they_are_many_and_one_is_seen_beside_a_thousand() -> None:
    assert spark([0, 1, 1000]) == "M9 24v-2h6v2zM17 24v-24h6v24z"
    assert spark([]) == ""


def write(app: Flask, clock: Any) -> None:
    with app.app_context():
        figures.write(clock())

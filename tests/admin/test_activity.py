"""A client's grants and errors day by day: counted at the token endpoint, summed on the provider's own days."""

from datetime import timedelta
from typing import Any

from flask import Flask

from idp import figures
from idp.admin.activity import read_activity
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


def write(app: Flask, clock: Any) -> None:
    with app.app_context():
        figures.write(clock())

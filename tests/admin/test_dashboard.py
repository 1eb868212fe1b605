"""The dashboard: what is counted comes to its page once a minute, cheaply, with no word of a person."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, event

from idp import figures
from idp.admin.dashboard import median, read_dashboard, slots_of
from idp.db import db
from idp.oidc.clients import ClientSecret
from tests.admin.test_api import Call
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_console import Coming
from tests.admin.test_console import admin as admin
from tests.conftest import Browser, Clock
from tests.root.test_commands import environ as environ
from tests.root.test_commands import run as run
from tests.root.test_commands import told
from tests.signin.conftest import Visitor
from tests.signin.conftest import relying_parties as relying_parties
from tests.signin.conftest import visitor as visitor

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def board(app: Flask, http: Browser, clock: Clock) -> Any:
    """Return what reads the dashboard after the next minute's request has written the last one's counts."""

    def read() -> Any:
        clock.step(minutes=1)
        http.get("/help/easy")
        with app.app_context():
            return read_dashboard("day", clock(), PARIS)

    return read


def test_a_sign_in_and_a_wrong_code_come_to_the_dashboard(visitor: Visitor, board: Any) -> None:
    visitor.start().identify().ask_for_code()
    visitor.type_code(visitor.wrong_code)
    visitor.type_code()

    found = board()

    assert (found.done, found.ended, found.success) == (1, 1, 1.0)
    assert found.sign_ins.series[0].values[-1] + (found.sign_ins.series[0].values[-2] or 0) == 1
    assert [(one.name, one.well, one.tried) for one in found.by_method] == [("password", 1, 1), ("email", 1, 2)]
    assert board().done == 1


def test_errors_are_told_apart_by_registered_client_and_never_by_what_a_stranger_makes_up(
    visitor: Visitor, board: Any
) -> None:
    visitor.start(scope="profile")
    visitor.start(client_id="made-up")
    visitor.browser.post("/token", data={"grant_type": "authorization_code", "client_id": "made-up", "code": "x"})

    (errors,) = board().clients

    assert errors.client_id == "web"
    assert errors.total == 1


def test_nothing_is_written_when_things_happen_but_one_statement_a_minute(
    app: Flask, http: Browser, clock: Clock
) -> None:
    written: list[str] = []
    with app.app_context():
        engine = db.engine

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "hourly_figures" in statement:
            written.append(statement)

    event.listen(engine, "before_cursor_execute", see)
    try:
        for _ in range(5):
            http.get("/nowhere")
        http.get("/signin/x/identify")
        assert not written
        with app.app_context():
            figures.count_client_error("web", "invalid_request")
            figures.count_client_error("web", "invalid_request")
        clock.step(minutes=1)
        http.get("/help/easy")
        http.get("/help/easy")
    finally:
        event.remove(engine, "before_cursor_execute", see)

    assert len(written) == 1
    with app.app_context():
        (row,) = figures.read_figures(clock() - timedelta(hours=2), clock() + timedelta(hours=1))
    assert row[1:] == ("client-error", "web|invalid_request", 2)


def test_what_was_counted_before_the_hour_belongs_to_the_hour_before(app: Flask, clock: Clock) -> None:
    """A quiet node may see its next request an hour later."""
    clock.moment = datetime(2026, 3, 2, 10, 59, 30, tzinfo=UTC)
    with app.app_context():
        figures.tick(clock())
        figures.count_client_error("web", "invalid_request")
        clock.step(minutes=50)
        figures.tick(clock())

        assert [row[0] for row in figures.read_figures(clock() - timedelta(days=1), clock())] == [
            datetime(2026, 3, 2, 10, tzinfo=UTC)
        ]


def test_a_database_that_is_away_loses_no_count(app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        figures.tick(clock())
        figures.count_client_error("web", "invalid_request")
        with monkeypatch.context() as broken:
            broken.setattr(figures, "_INSERT", {name: _elsewhere(insert) for name, insert in figures._INSERT.items()})
            figures.write(clock())
        figures.write(clock())

        assert [row[3] for row in figures.read_figures(clock() - timedelta(hours=2), clock() + timedelta(hours=1))] == [
            1
        ]


def _elsewhere(insert: Any) -> Any:
    """Return what writes into a table that is not there."""
    columns = [Column("hour", DateTime), Column("figure", String), Column("label", String), Column("count", Integer)]
    return lambda _table: insert(Table("not_there", MetaData(), *columns))


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ({}, None),
        ({1.0: 0, float("inf"): 0}, None),
        ({1.0: 10, float("inf"): 10}, 0.5),
        ({1.0: 0, 3.0: 10, float("inf"): 10}, 2.0),
        ({1.0: 2, 3.0: 4, float("inf"): 20}, 3.0),
    ],
)
def test_medians_are_taken_from_the_buckets(buckets: dict[float, int], expected: float | None) -> None:
    assert median(buckets) == expected


def test_a_day_of_twenty_three_hours_has_twenty_four_slots_all_apart() -> None:
    slots = slots_of("day", datetime(2026, 3, 29, 10, 20, tzinfo=UTC), PARIS)

    assert len({one.astimezone(UTC) for one in slots}) == 24
    assert slots[-1].astimezone(UTC) == datetime(2026, 3, 29, 10, tzinfo=UTC)


def test_a_secret_about_to_end_says_whether_another_goes_on(app: Flask, clock: Clock, board: Any) -> None:
    with app.app_context():
        made = {"client_id": "web", "fingerprint": "0" * 64, "created_at": clock()}
        db.session.query(ClientSecret).delete()
        db.session.add(ClientSecret(label="old", expires_at=clock() + timedelta(days=3), **made))
        db.session.add(ClientSecret(label="far", expires_at=clock() + timedelta(days=90), **made))
        db.session.commit()
    assert [(one.label, one.is_last) for one in board().expiring] == [("old", False)]

    with app.app_context():
        db.session.query(ClientSecret).filter_by(label="far").delete()
        db.session.commit()

    assert [(one.label, one.is_last) for one in board().expiring] == [("old", True)]


def test_who_sees_it_on_every_surface_ac_195(admin: Coming, call: Call, run: Any) -> None:
    for who, status in (("olga", 200), ("rita", 200), ("sam", 403), ("rose", 403)):
        assert admin(who).open("/admin/dashboard?span=week").page.status_code == status
    assert call("otto", "GET", "/dashboard?span=week").json["sign_ins"] == 0
    assert call("rose", "GET", "/dashboard").status_code == 403
    assert told(run("operations", "figures", "--json"))["span"] == "day"

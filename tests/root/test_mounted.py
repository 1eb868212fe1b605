"""The provider in front of an application that somebody else wrote: neither is in the other's way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask, Response, abort, jsonify, render_template_string, request, session, url_for
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from idp import Sesame, mounted
from idp.accounts import directory
from idp.db import db as ours
from idp.oidc import registration
from idp.settings import Settings
from tests.conftest import ALICE_EMAIL, ALICE_NIR, ALICE_PASSWORD, ISSUER, Browser, Clock, example_settings
from tests.signin.conftest import CALLBACK, Visitor


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Flask]:
    """Return an application as people write them, with a database, languages, files and errors of its own."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "site.css").write_text("body { color: teal }")
    app = Flask("somebody_elses", root_path=str(tmp_path), static_folder="static")
    app.config.update(SECRET_KEY="theirs", SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/theirs.db")
    theirs = SQLAlchemy(app)
    Babel(app, default_locale="de")

    @app.get("/")
    def home() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return render_template_string("Their home, visit {{ n }}, {{ url_for('static', filename='site.css') }}",
                                      n=session["visits"])  # fmt: skip

    @app.get("/count")
    def count() -> Response:
        return jsonify(theirs.session.execute(text("SELECT 41 + 1")).scalar())

    @app.post("/upload")
    def upload() -> str:
        return str(len(request.get_data()))

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("theirs")

    @app.get("/gone")
    def gone() -> str:
        abort(410)

    @app.errorhandler(404)
    def lost(_fault: Exception) -> tuple[str, int]:
        return f"Their own 404 {url_for('home')}", 404

    @app.errorhandler(RuntimeError)
    def oops(_fault: Exception) -> tuple[str, int]:
        return "Their own 500", 500

    yield app
    with app.app_context():
        theirs.engine.dispose()


@pytest.fixture
def both(host: Flask, tmp_path: Path) -> Iterator[Flask]:
    """Return that application with the provider mounted in it."""
    stores = {"database_url": f"sqlite:///{tmp_path}/ours.db", "state_file": tmp_path / "state.db"}
    provider = Sesame(host, Settings.model_validate(example_settings(**stores))).provider
    with provider.app_context():
        ours.create_all()
    host.test_client_class = Browser
    yield host
    with provider.app_context():
        ours.engine.dispose()
        provider.extensions["sesame"]["state"].store.close()


@pytest.fixture
def browser(both: Flask) -> Any:
    return both.test_client()


def test_their_pages_are_as_they_were(browser: Any) -> None:
    home, again = browser.get("/"), browser.get("/")

    assert home.text.startswith("Their home, visit 1, /static/site.css")
    assert again.text.startswith("Their home, visit 2")
    assert "Content-Security-Policy" not in home.headers
    assert "X-Frame-Options" not in home.headers
    with browser.get("/static/site.css") as file:
        assert file.text == "body { color: teal }"
    assert browser.get("/count").json == 42
    assert browser.post("/upload", data=b"x" * 200_000).text == "200000"
    assert browser.get("/", base_url="http://another.example").status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/broken", 500, "Their own 500"),
        ("/gone", 410, "Gone"),
        ("/nowhere", 404, "Their own 404 /"),
        ("/signin", 404, "Their own 404 /"),
        ("/account/nowhere", 404, "Their own 404 /"),
        ("/static/sesame.css", 404, "Their own 404 /"),
        ("/%2e%2e/token", 404, "Their own 404 /"),
    ],
)
def test_their_errors_are_theirs(browser: Any, path: str, status: int, said: str) -> None:
    answer = browser.get(path)

    assert answer.status_code == status
    assert said in answer.text


def test_our_pages_are_as_they_are_alone(browser: Any) -> None:
    metadata = browser.get("/.well-known/openid-configuration")
    page = browser.get("/help/privacy")

    assert metadata.json["issuer"] == ISSUER
    assert page.status_code == 200
    assert "/sesame/static/sesame.css" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert 'lang="fr"' in page.text, "their language is not ours"
    with browser.get("/sesame/static/sesame.css") as file:
        assert file.status_code == 200
    assert browser.get("/token").status_code == 405
    assert browser.get("/authorize", base_url="https://another.example").status_code == 421
    form = {"grant_type": "x" * 200_000}
    assert browser.post("/token", data=form).status_code == 413


def test_a_whole_sign_in_goes_through_it(both: Flask, browser: Any, clock: Clock) -> None:
    provider = both.extensions["sesame"].provider
    with provider.app_context():
        directory.add_account(nir=ALICE_NIR, password=ALICE_PASSWORD, email=ALICE_EMAIL)
        asked = {"client_id": "web", "name": "Their site", "redirect_uris": [CALLBACK], "scope": "openid profile email"}
        registration.add_client(registration.metadata_from_form(asked), now=clock())
        ours.session.commit()
    visitor = Visitor(provider, browser)

    visitor.sign_in()

    assert visitor.is_back
    assert "code" in visitor.told
    assert "visit 1" in browser.get("/").text
    assert browser.get("/account").status_code == 200


def test_under_a_script_name_nothing_is_ours(both: Flask) -> None:
    provider = both.extensions["sesame"].provider

    assert mounted.is_ours(provider, {"SCRIPT_NAME": "", "PATH_INFO": "/token", "REQUEST_METHOD": "GET"})
    assert not mounted.is_ours(provider, {"SCRIPT_NAME": "/app", "PATH_INFO": "/token", "REQUEST_METHOD": "GET"})


def test_a_page_of_theirs_that_nobody_sees_any_more_is_named_once(both: Flask, browser: Any) -> None:
    lines: list[dict[str, Any]] = []

    def keep(_logger: object, _name: str, event: dict[str, Any]) -> dict[str, Any]:
        lines.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    both.add_url_rule("/account", "their_account", lambda: "hidden")
    both.add_url_rule("/docs/", "their_docs", lambda: "hidden")

    browser.get("/")
    browser.get("/")

    assert [line["rule"] for line in lines if line["event"] == "page-hidden-by-sesame"] == ["/account", "/docs/"]


def test_one_application_has_one_provider(both: Flask, idp_settings: Settings) -> None:
    with pytest.raises(RuntimeError, match="already"):
        Sesame(both, idp_settings)

"""A bare application that renders the templates with what the web gives them, and nothing left undefined."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel, force_locale
from jinja2 import StrictUndefined

from idp import i18n
from idp.settings import Settings
from tests.conftest import example_settings
from tests.pages.samples import PLUGGED, SAMPLES

IDP = Path(__file__).parents[2] / "idp"
Render = Callable[..., str]


@pytest.fixture(scope="session")
def bare_app() -> Flask:
    """Return an application with the templates, the catalogues and no store at all."""
    app = Flask("idp", root_path=str(IDP))
    app.extensions["sesame"] = {"settings": Settings.model_validate(example_settings()), "texts": PLUGGED}
    Babel(app, default_locale="fr", default_translation_directories=str(IDP / "translations"))
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.globals["_"] = i18n._
    app.jinja_env.filters.update(clock_time=i18n.clock_time, day=i18n.day)
    return app


@pytest.fixture
def render(bare_app: Flask) -> Iterator[Render]:
    """Return what renders a sample case, or any template with a context, in a language."""

    def _render(template: str, case: str | None = None, locale: str = "fr", **context: object) -> str:
        common = {
            "reference": "7KQ-4MX",
            "nonce": "Tm9uY2U",
            "locale": locale,
            "locales": [("fr", "Français"), ("en", "English")],
            "direction": "ltr",
            "site_name": "Mon Compte",
            "site_address": "caf.fr",
            "service": None,
            "about": {"logo": None, "policy": None, "terms": None},
            "csrf": lambda scope: f"token-of-{scope}",
            "static_url": lambda name: f"/static/{name}",
        }
        sample = SAMPLES[template][case] if case is not None else {}
        with force_locale(locale):
            return bare_app.jinja_env.get_template(template).render({**common, **sample, **context})

    with bare_app.app_context():
        yield _render

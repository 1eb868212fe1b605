"""Sésame, an OpenID Connect provider: `create_app` puts its parts together, `Sesame` mounts them in another app."""

import gc

# Nothing of what is imported is garbage, and to look for some again and again is a seventh of the start.
_is_collecting = gc.isenabled()
gc.disable()

from flask import Flask

from idp import assembly, db, i18n, logs, tracing, web
from idp.mounted import in_front_of
from idp.oidc import lane
from idp.settings import Settings, load_settings
from idp.state import State

if _is_collecting:
    gc.enable()

__version__ = "0.1.0"


class Sesame:
    """The provider as an extension: ``Sesame(app)`` mounts its blueprints in front of an existing Flask application.

    ``provider`` is the application that they belong to: what a serving process owes it is `idp.server.attend`.
    """

    provider: Flask

    def __init__(self, app: Flask | None = None, settings: Settings | None = None) -> None:
        if app is not None:
            self.init_app(app, settings)

    def init_app(self, app: Flask, settings: Settings | None = None) -> None:
        """Mount the provider in ``app``; without ``settings`` they are read from the environment."""
        if "sesame" in app.extensions:
            raise RuntimeError("a provider is mounted in this application already")
        # `/static` is the other application's.
        self.provider = _assemble(Flask(__name__, static_url_path="/sesame/static"), settings or load_settings())
        app.extensions["sesame"] = self
        app.wsgi_app = in_front_of(self.provider, app)  # type: ignore[assignment, method-assign]


def create_app(settings: Settings | None = None) -> Flask:
    """Return the provider as an application of its own."""
    return _assemble(Flask(__name__), settings or load_settings())


def _assemble(app: Flask, settings: Settings) -> Flask:
    app.extensions["sesame"] = {"settings": settings}
    logs.configure_logs(settings.log_level)
    db.init_db(app, settings.database_url.get_secret_value(), settings.database_pool)
    app.extensions["sesame"]["state"] = State(assembly.open_store(settings))
    app.extensions["sesame"]["readiness"] = assembly.readiness()
    app.extensions["sesame"]["texts"] = assembly.texts(settings)
    assembly.plug_in(app, settings)
    i18n.init_i18n(app)
    # Before the proxies' headers are read, which has to happen in front of it.
    lane.init_lane(app)
    web.init_web(app)
    with app.app_context():
        # In front of everything, the lane too.
        tracing.init_tracing(app, settings.tracing, db.db.engine, app.extensions["sesame"]["state"].store)
    for blueprint in assembly.blueprints():
        app.register_blueprint(blueprint)
    assembly.check_sms_texts(app, settings)
    assembly.check_models(settings)
    return app

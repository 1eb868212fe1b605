"""Flask's context of an application without its ceremony, for requests that need no more of Flask than that."""

from contextlib import AbstractContextManager, nullcontext

from flask import Flask
from flask.ctx import AppContext
from flask.globals import _cv_app

from idp.db import db


class LightContext(AppContext):
    """A context that tells nobody when it comes and goes, and knows no routes: `current_app`, `g` and the database."""

    def __init__(self, app: Flask) -> None:
        self.app, self.url_adapter, self.g, self._cv_tokens = app, None, app.app_ctx_globals_class(), []

    def __enter__(self) -> "LightContext":
        self._cv_tokens.append(_cv_app.set(self))
        return self

    def __exit__(self, *_fault: object) -> None:
        """Give the database back what the request had of it: all that our applications do at the end of a context."""
        try:
            if db.session.registry.has():
                db.session.remove()
        finally:
            _cv_app.reset(self._cv_tokens.pop())


def light_context(app: Flask) -> AbstractContextManager[object]:
    """As Flask does: one context of this application is enough, and another application's is none."""
    around = _cv_app.get(None)
    return nullcontext() if around is not None and around.app is app else LightContext(app)

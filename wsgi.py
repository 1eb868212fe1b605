"""The WSGI application, for granian or any other server: ``granian --interface wsgi wsgi:app``."""

from idp.server import served_app

app = served_app()

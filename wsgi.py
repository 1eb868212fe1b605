"""The WSGI application, for granian or any other server: ``granian --interface wsgi wsgi:app``."""

from idp import create_app

app = create_app()

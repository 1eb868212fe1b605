"""django-oauth-toolkit as a peer: settings, URLs and WSGI application in one file; `python peer.py` makes its data."""

import os
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["localhost"],
    DEBUG=False,
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    SESSION_ENGINE="django.contrib.sessions.backends.db",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PEER_DATABASE"], "HOST": "127.0.0.1",
            "PORT": os.environ["PEER_DATABASE_PORT"], "USER": "sesame",
            # Django's own advice for production: connections are kept.
            "CONN_MAX_AGE": None,
        }
    },
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        # Its only asymmetric algorithm is RS256.
        "OIDC_RSA_PRIVATE_KEY": Path(os.environ["PEER_KEY"]).read_text(encoding="ascii"),
        "SCOPES": {"openid": "openid", "profile": "profile", "email": "email", "introspection": "introspection"},
        "OAUTH2_VALIDATOR_CLASS": "peer_validator.Validator",
        "ROTATE_REFRESH_TOKEN": True,
        "PKCE_REQUIRED": True,
    },
    LOGGING_CONFIG=None,
)  # fmt: skip
django.setup()
urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
application = get_wsgi_application()


def make_data() -> None:
    """Make tables, a person, a client, a session; print the session's key."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command
    from oauth2_provider.models import get_application_model

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_user(
        "bench", "bench0@example.fr", "bench", first_name="Banc", last_name="Essai"
    )
    for client_id, grant in (("bench", "authorization-code"), ("bench-machine", "client-credentials")):
        get_application_model().objects.create(
            name=client_id, client_id=client_id, client_secret="bench-secret-bench-secret",
            client_type="confidential", authorization_grant_type=grant, skip_authorization=True, algorithm="RS256",
            redirect_uris="http://localhost:9/callback", user=user,
        )  # fmt: skip
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    print(session.session_key)


if __name__ == "__main__":
    make_data()

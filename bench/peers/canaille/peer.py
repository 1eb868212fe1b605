"""Canaille as a peer: writes its configuration, makes tables, people and a client, prints a signed-in cookie."""

import datetime
import json
import os
from pathlib import Path

import tomlkit
from joserfc import jwk

ASKED = json.loads(os.environ["PEER_ASKED"])


def configuration() -> dict[str, object]:
    """Return what an operator would set: PostgreSQL, a worker behind Redis, two factors, an EC key beside RSA's."""
    keys = [jwk.generate_key("EC", "P-256"), jwk.generate_key("RSA", 3072)]
    for key in keys:
        key.ensure_kid()
    return {
        "SECRET_KEY": "bench-secret-key-bench-secret-key",
        "SERVER_NAME": f"localhost:{ASKED['port']}",
        "PREFERRED_URL_SCHEME": "http",
        "BROKER_URL": ASKED["redis_url"],
        "CANAILLE": {
            "DATABASE": "sql",
            # With a logo its mails cannot be handed to its worker: the picture's bytes are no JSON (0.3.6).
            "LOGO": "",
            "AUTHENTICATION_FACTORS": ["password", "email"],
            "SMTP": {"HOST": "127.0.0.1", "PORT": ASKED["smtp_port"], "FROM_ADDR": "peer@example.fr"},
            # As the others: no line of log for a request that went well.
            "LOGGING": {"version": 1, "root": {"level": "WARNING"}},
        },
        "CANAILLE_SQL": {"DATABASE_URI": ASKED["database_url"]},
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": [key.as_dict(private=True) for key in keys],
            # No question of consent, as at the others.
            "TRUSTED_DOMAINS": ["localhost"],
        },
        "CANAILLE_HYPERCORN": {"BIND": [f"127.0.0.1:{ASKED['port']}"], "WORKERS": 1},
    }


def make_data() -> None:
    """Make tables, people who share one password, a client, a session; print the session's cookie."""
    from canaille import create_app
    from canaille.app import models
    from canaille.backends import Backend

    app, now = create_app(), datetime.datetime.now(datetime.UTC)
    with app.app_context():
        backend = Backend.instance
        users = [
            models.User(
                user_name=f"bench{number}", formatted_name="Banc Essai", given_name="Banc", family_name="Essai",
                emails=[f"bench{number}@example.fr"],
            )
            for number in range(ASKED["people"])
        ]  # fmt: skip
        backend.save(users[0])
        backend.set_user_password(users[0], ASKED["password"])
        for user in users[1:]:
            user.password, user.password_last_update = users[0].password, now
            backend.save(user)
        client = models.Client(
            client_id="bench", client_secret=ASKED["secret"], client_name="Bench", client_uri="http://localhost:9",
            redirect_uris=[ASKED["redirect_uri"]], client_id_issued_at=now,
            grant_types=["authorization_code", "refresh_token", "client_credentials"], response_types=["code"],
            scope=["openid", "profile", "email"], token_endpoint_auth_method="client_secret_basic",
            id_token_signed_response_alg="ES256",
        )  # fmt: skip
        backend.save(client)
        client.audience = [client]
        backend.save(client)
        signed_in = {
            "user": users[0].id, "last_login_datetime": now.isoformat(),
            "authentication_methods": ["password", "email"],
        }  # fmt: skip
        signer = app.session_interface.get_signing_serializer(app)
        print(f"{app.config['SESSION_COOKIE_NAME']}={signer.dumps({'sessions': [signed_in], '_permanent': True})}")


if __name__ == "__main__":
    Path(os.environ["CANAILLE_CONFIG"]).write_text(tomlkit.dumps(configuration()), encoding="utf-8")
    make_data()

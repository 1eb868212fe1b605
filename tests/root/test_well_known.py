"""What other programs look for at fixed addresses comes from the settings, whoever asks (AC-90)."""

from typing import Any

import pytest
from flask import Flask
from pydantic import ValidationError

from idp.settings import Settings
from tests.conftest import ISSUER, Browser, example_settings

PRINT = ":".join(f"{byte:02X}" for byte in range(32))
APPS = {
    "apple_apps": ("ABCDE12345.fr.exemple.moncompte",),
    "apple_paths": ("/app/retour*",),
    "android_apps": {"fr.exemple.moncompte": (PRINT,)},
    "origins": ("https://www.idp.test",),
}


@pytest.fixture
def with_apps(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    known = app.extensions["sesame"]["settings"]
    changed = known.model_copy(update={"passkeys": known.passkeys.model_copy(update=APPS)})
    monkeypatch.setitem(app.extensions["sesame"], "settings", changed)


def test_apple_is_told_the_app_at_once_and_as_json_ac_90(http: Browser, with_apps: None) -> None:
    answer = http.get("/.well-known/apple-app-site-association")

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    app = "ABCDE12345.fr.exemple.moncompte"
    assert answer.json == {
        "webcredentials": {"apps": [app]},
        "applinks": {"details": [{"appIDs": [app], "components": [{"/": "/app/retour*"}]}]},
    }
    assert "Set-Cookie" not in answer.headers


def test_android_is_told_the_app_with_both_relations_ac_90(http: Browser, with_apps: None) -> None:
    answer = http.get("/.well-known/assetlinks.json")

    assert answer.mimetype == "application/json"
    (statement,) = answer.json
    assert {relation.rpartition(".")[2] for relation in statement["relation"]} == {"get_login_creds", "handle_all_urls"}
    assert statement["target"] == {
        "namespace": "android_app",
        "package_name": "fr.exemple.moncompte",
        "sha256_cert_fingerprints": [PRINT],
    }


def test_a_foreign_host_changes_nothing_ac_90(http: Browser, with_apps: None) -> None:
    for name in ("apple-app-site-association", "assetlinks.json", "passkey-endpoints", "webauthn"):
        ours = http.get(f"/.well-known/{name}")
        theirs = http.get(f"/.well-known/{name}", headers={"Host": "evil.test", "X-Forwarded-Host": "evil.test"})
        assert theirs.status_code == 421
        assert "evil" not in ours.text
        assert http.get(f"/.well-known/{name}?app=evil", headers={"X-Forwarded-Host": "evil.test"}).data == ours.data


def test_password_managers_find_the_pages(http: Browser, with_apps: None) -> None:
    assert http.get("/.well-known/passkey-endpoints").json == {
        "enroll": f"{ISSUER}/account/passkeys/add",
        "manage": f"{ISSUER}/account/passkeys",
    }
    changed = http.get("/.well-known/change-password")
    assert (changed.status_code, changed.headers["Location"]) == (302, "/account/password")
    assert http.get("/.well-known/webauthn").json == {"origins": [ISSUER, "https://www.idp.test"]}


def test_without_apps_there_is_nothing_to_find(http: Browser) -> None:
    for name in ("apple-app-site-association", "assetlinks.json", "webauthn"):
        assert http.get(f"/.well-known/{name}").status_code == 404


def test_origins_are_the_issuer_the_other_sites_and_the_certificates(app: Flask, with_apps: None) -> None:
    origins = app.extensions["sesame"]["settings"].passkey_origins

    assert origins == [
        ISSUER,
        "https://www.idp.test",
        "android:apk-key-hash:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    ]


@pytest.mark.parametrize(
    "passkeys",
    [
        {"rp_id": "evil.test"},
        {"rp_id": "test"},
        {"rp_id": "p.test"},
        {"rp_id": "www.idp.test"},
        {"origins": ["http://idp.test"]},
        {"origins": ["https://idp.test/"]},
        {"origins": ["android:apk-key-hash:short"]},
        {"origins": ["*"]},
        {"apple_apps": ["fr.exemple.moncompte"]},
        {"apple_paths": ["app"]},
        {"android_apps": {"moncompte": [PRINT]}},
        {"android_apps": {"fr.exemple.moncompte": []}},
        {"android_apps": {"fr.exemple.moncompte": [PRINT.lower()]}},
    ],
)
def test_settings_that_would_open_a_door_stop_the_start(passkeys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(example_settings(passkeys=passkeys))


@pytest.mark.parametrize(("rp_id", "issuer"), [("", "https://a.idp.test"), ("idp.test", "https://a.idp.test")])
def test_the_rp_id_is_the_host_or_a_parent_of_it(rp_id: str, issuer: str) -> None:
    made = Settings.model_validate(example_settings(issuer=issuer, passkeys={"rp_id": rp_id}))

    assert made.rp_id == rp_id or made.rp_id == "a.idp.test"


def test_apps_of_our_own_services_are_named_as_registered(app: Flask, http: Browser) -> None:
    """Those of the console; not those of third parties, nor of a suspended service."""
    from idp import clock as idp_clock
    from idp.db import db
    from idp.oidc import registration
    from idp.oidc.clients import suspend_client

    prints = {"fr.example.app": [":".join(["AB"] * 32)]}
    ours = {"apple_apps": ["ABCDE12345.fr.example.app"], "android_apps": prints}
    with app.app_context():
        for client_id, more in (
            ("ours", ours),
            ("theirs", {**ours, "third_party": True, "apple_apps": ["ZZZZZ12345.x"]}),
        ):
            asked = {"client_id": client_id, "name": "App", "kind": "mobile", "redirect_uris": ["fr.example.app:/cb"]}
            registration.add_client(registration.metadata_from_form({**asked, **more}), now=idp_clock.now())
        db.session.commit()

    assert http.get("/.well-known/apple-app-site-association").json["webcredentials"]["apps"] == ours["apple_apps"]
    statements = http.get("/.well-known/assetlinks.json").json
    assert [one["target"]["package_name"] for one in statements] == ["fr.example.app"]
    with app.app_context():
        suspend_client("ours", idp_clock.now())
        db.session.commit()
    assert http.get("/.well-known/apple-app-site-association").status_code == 404

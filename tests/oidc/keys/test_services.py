"""Every service that keeps private keys passes the same contract, and gives none of them away."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select, update

from idp.db import db
from idp.oidc.jose.own import ALGORITHMS, Algorithm, BadToken, check_pair, sign
from idp.oidc.key_service import KeyUnusable
from idp.oidc.key_store import find_service
from idp.oidc.keys import SigningKeyRow, forget_key_ring, key_ring
from idp.oidc.rotation import describe_keys, revoke_and_replace
from idp.settings import settings
from tests.conftest import Browser, example_key, read_beside
from tests.oidc.keys.conftest import MakeNode


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_that_a_service_made_signs_what_joserfc_verifies(with_service: Flask, alg: Algorithm) -> None:
    service = find_service(settings.keys.service)

    made = service.make(alg)
    token = sign({"sub": "s"}, service.open(made.handle, made.public_jwk, alg), typ="JWT")

    assert made.public_jwk.keys() & {"kid", "use", "alg", "kty"} == {"kid", "use", "alg", "kty"}
    verified = jwt.decode(token, KeySet.import_key_set({"keys": [dict(made.public_jwk)]}), algorithms=[alg])
    assert verified.claims == {"sub": "s"}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_handle_opens_no_other_key(with_service: Flask, alg: Algorithm) -> None:
    service = find_service(settings.keys.service)
    one, other = service.make(alg), service.make(alg)

    with pytest.raises((KeyUnusable, BadToken)):
        check_pair(service.open(one.handle, other.public_jwk, alg))


def test_a_handle_that_finds_nothing_is_a_fault_at_once(with_service: Flask) -> None:
    service = find_service(settings.keys.service)
    made = service.make("ES256")

    with pytest.raises(KeyUnusable):
        service.open(b"\1" * 64, made.public_jwk, "ES256")


def test_what_is_destroyed_twice_is_gone_and_no_fault(with_service: Flask) -> None:
    service = find_service(settings.keys.service)
    made = service.make("ES256")

    service.destroy(made.handle)
    service.destroy(made.handle)

    if settings.keys.service == "pkcs11":
        with pytest.raises(KeyUnusable):
            service.open(made.handle, made.public_jwk, "ES256")


def test_the_ring_signs_with_keys_of_the_service(with_service: Flask) -> None:
    ring = key_ring()

    assert {row["service"] for row in describe_keys()} == {settings.keys.service}
    for key in ring.active.values():
        check_pair(key)


def test_a_token_never_gives_a_private_key_out(token: dict[str, Any], make_node: MakeNode) -> None:
    import pkcs11

    with make_node(keys=token).app_context():
        made = find_service("pkcs11").make("ES256")
        session = find_service("pkcs11")._new_session(writing=False)  # type: ignore[attr-defined]
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=made.handle)

        assert key[pkcs11.Attribute.SENSITIVE] is True
        assert key[pkcs11.Attribute.EXTRACTABLE] is False
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            _ = key[pkcs11.Attribute.VALUE]
        session.close()


def test_a_token_signs_again_after_its_sessions_were_lost(token: dict[str, Any], make_node: MakeNode) -> None:
    with make_node(keys=token).app_context():
        service: Any = find_service("pkcs11")
        made = service.make("ES256")
        key = service.open(made.handle, made.public_jwk, "ES256")
        service._mine.session.close()

        check_pair(key)


def test_keys_move_from_the_database_into_a_token_by_a_rotation(token: dict[str, Any], make_node: MakeNode) -> None:
    with make_node().app_context():
        before = key_ring().active["ES256"].kid

    with make_node(keys=token).app_context():
        assert key_ring().active["ES256"].kid == before
        revoke_and_replace("ES256", reason="moved into a token")

        check_pair(key_ring().active["ES256"])
        rows = {row["kid"]: row for row in describe_keys()}
        assert rows[key_ring().active["ES256"].kid]["service"] == "pkcs11"
        assert rows[before]["private_half"] == "destroyed"


def test_no_private_key_lies_readable_in_the_database(context: Flask, stores: dict[str, Any]) -> None:
    key_ring()

    rows = db.session.execute(select(*SigningKeyRow.__table__.columns)).all()
    laid_open = b"".join(json.dumps(row.public_jwk).encode() + row.handle for row in rows)
    if stores["database_url"].startswith("sqlite"):
        file = Path(stores["database_url"].removeprefix("sqlite:///"))
        laid_open += read_beside(*file.parent.glob(f"{file.name}*"))

    assert len(rows) == len(ALGORITHMS)
    assert b"PRIVATE" not in laid_open
    assert b"BEGIN" not in b"".join(row.handle for row in rows)
    assert not any({"d", "p", "q"} & row.public_jwk.keys() for row in rows)
    for row in rows:
        numbers = key_ring().active[row.alg].private.prepared_key.private_numbers()
        secret = numbers.d if row.alg == "RS256" else numbers.private_value
        assert secret.to_bytes((secret.bit_length() + 7) // 8, "big") not in laid_open


@pytest.mark.parametrize("damage", ["moved", "cut", "other-field-key"])
def test_a_key_that_cannot_be_read_stops_us_and_is_not_replaced_rc_26(
    app: Flask, make_node: MakeNode, damage: str
) -> None:
    with app.app_context():
        key_ring()
        before = describe_keys()
        handles = db.session.scalars(select(SigningKeyRow.handle).order_by(SigningKeyRow.alg)).all()
        spoilt = {"moved": handles[1], "cut": (handles[0] or b"")[:-1], "other-field-key": handles[0]}[damage]
        db.session.execute(update(SigningKeyRow).where(SigningKeyRow.alg == "ES256").values(handle=spoilt))
        db.session.commit()
    secrets = app.extensions["sesame"]["settings"].model_dump()["secrets"]
    if damage == "other-field-key":
        secrets["field_keys"] = {"k1": example_key("other")}
    node = make_node(secrets=secrets)

    with node.app_context():
        with pytest.raises(KeyUnusable, match="cannot be unsealed"):
            key_ring()
        assert [row["kid"] for row in describe_keys()] == [row["kid"] for row in before]
        db.session.rollback()
    http: Browser = node.test_client()  # type: ignore[assignment]
    assert http.get("/healthz/ready").status_code == 503
    assert http.get("/healthz/live").status_code == 200


def test_a_serving_process_ends_at_once_without_usable_keys_rc_26(app: Flask) -> None:
    from idp.server import _take_keys

    with app.app_context():
        key_ring()
        db.session.execute(update(SigningKeyRow).where(SigningKeyRow.alg == "ES256").values(handle=b"\1" * 40))
        db.session.commit()
        forget_key_ring()

    with pytest.raises(SystemExit, match="cannot be unsealed"):
        _take_keys(app)

"""What somebody reads who has stolen a dump of every store."""

import base64

import redis
from flask import Flask
from sqlalchemy import select, text

from idp.db import db
from idp.settings import Settings
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ALICE_PASSWORD
from tests.signin.conftest import Visitor


def dump(app: Flask) -> bytes:
    """Return every value of every table and of the state, one after the other."""
    settings: Settings = app.extensions["sesame"]["settings"]
    with app.app_context():
        values = [
            value
            for table in db.metadata.sorted_tables
            for row in db.session.execute(select(table).execution_options(autoflush=False))
            for value in row
        ]
        db.session.rollback()
        address = settings.redis_url.get_secret_value()
        if address:
            with redis.Redis.from_url(address) as server:
                values += [entry for key in server.scan_iter() for entry in (key, server.get(key))]
        else:
            with app.extensions["sesame"]["state"].store._engine.connect() as connection:
                values += [value for row in connection.execute(text("SELECT * FROM state_entries")) for value in row]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def test_a_dump_of_all_stores_tells_nobodys_number_address_or_password_ac_220(app: Flask, visitor: Visitor) -> None:
    visitor.start().identify().ask_for_code("sms")
    half_way = dump(app)
    visitor.type_code()
    assert visitor.is_back
    cookie = visitor.browser.get_cookie("__Host-sid", domain="idp.test")
    assert cookie is not None

    stolen = half_way + dump(app)

    assert len(stolen) > 2_000
    for secret in (
        ALICE_NIR,
        ALICE_NIR[:13],
        ALICE_EMAIL,
        ALICE_MOBILE,
        ALICE_MOBILE[1:],
        ALICE_PASSWORD,
        cookie.value,
    ):
        assert secret.encode() not in stolen
        assert base64.b64encode(secret.encode()).rstrip(b"=") not in stolen

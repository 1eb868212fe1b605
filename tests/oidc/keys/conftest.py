"""What the tests of key rotation stand on: keys of their own, a token of SoftHSM, nodes that share a database."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete

from idp import create_app
from idp.db import db
from idp.oidc import jwks_watch, keys
from idp.settings import Settings
from tests.conftest import Browser, example_settings

MakeNode = Callable[..., Flask]
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "2468"


def forget_keys(app: Flask) -> None:
    """Empty the table of keys and what the process remembers of it."""
    with app.app_context():
        db.session.execute(delete(keys.SigningKeyRow))
        db.session.commit()
        keys.forget_key_ring()
        jwks_watch.forget_watch()


@pytest.fixture
def app(app: Flask) -> Iterator[Flask]:
    """Return the application without keys; those that this test made do not reach another."""
    forget_keys(app)
    yield app
    forget_keys(app)


@pytest.fixture
def make_node(app: Flask, stores: dict[str, Any]) -> Iterator[MakeNode]:
    """Return a maker of further nodes on the same database."""
    with ExitStack() as running:

        def make(**changes: Any) -> Flask:
            node = create_app(Settings.model_validate(example_settings(**{**stores, **changes})))
            node.test_client_class = Browser
            running.callback(_close, node)
            return node

        yield make


def _close(node: Flask) -> None:
    with node.app_context():
        db.engine.dispose()
        node.extensions["sesame"]["state"].store.close()


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the settings of a new token of SoftHSM; the library reads its own configuration once per process."""
    pytest.importorskip("pkcs11")
    if not SOFTHSM.exists():
        pytest.skip("SoftHSM is not installed (Debian: softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "sesame", "--pin", PIN, "--so-pin", "13579"],
        check=True,
        capture_output=True,
    )
    return {"service": "pkcs11", "pkcs11": {"module": SOFTHSM, "token": "sesame", "pin": PIN}}


@pytest.fixture(params=["sealed", "pkcs11"])
def with_service(request: pytest.FixtureRequest, make_node: MakeNode) -> Iterator[AbstractContextManager[Any]]:
    """Run the test inside a node whose keys are made by one service after the other."""
    changes = request.getfixturevalue("token") if request.param == "pkcs11" else {}
    node = make_node(keys=changes)
    with node.app_context():
        yield node
        db.session.rollback()


# Short enough to walk through minute by minute.
BRISK = {
    "jwks_max_age": timedelta(minutes=10),
    "publish_before_use": timedelta(minutes=15),
    "keep_retired": timedelta(minutes=40),
}

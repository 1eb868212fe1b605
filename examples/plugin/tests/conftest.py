"""Settings as an operator would write them, with keys that open nothing."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from idp.settings import Settings


def _key(number: int) -> str:
    return base64.urlsafe_b64encode(bytes(range(number, number + 32))).decode().rstrip("=")


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """Return a maker of settings: ``settings(token={"seeds": …})`` is the table `[plugins.token]`."""

    def make(**plugins: dict[str, Any]) -> Settings:
        names = ("pepper", "index", "subject", "code", "token")
        keys: dict[str, Any] = {name: _key(number) for number, name in enumerate(names)}
        secrets = {**keys, "field_keys": {"k1": _key(9)}, "field_key_id": "k1"}
        return Settings.model_validate(
            {"issuer": "https://connexion.example.fr", "secrets": secrets, "plugins": plugins}
        )

    return make

"""Which services keep private signing keys, and the one that needs nothing: keys sealed in the database."""

from collections.abc import Callable, Mapping

from idp import crypto
from idp.oidc.jose.own import Algorithm, SigningKey, generate_pem, load_key
from idp.oidc.key_pkcs11 import Pkcs11Keys
from idp.oidc.key_service import KeyService, KeyUnusable, NewKey
from idp.per_app import PerApp
from idp.settings import settings


class SealedKeys:
    """Keys sealed with AES-256-GCM under a key outside the database, each bound to its own `kid`."""

    def make(self, alg: Algorithm) -> NewKey:
        """Make a key; an RSA key takes a second."""
        pem = generate_pem(alg, rsa_bits=settings.rsa_key_bits)
        key = load_key(pem, alg)
        return NewKey(key.public_jwk, crypto.seal(pem, context=_context(key.kid)))

    def open(self, handle: bytes, public_jwk: Mapping[str, str], alg: Algorithm) -> SigningKey:
        """Unseal a key into memory; RC-26: one that cannot be read stops us, and is never replaced in silence."""
        kid = public_jwk["kid"]
        try:
            key = load_key(crypto.unseal(handle, context=_context(kid)), alg)
        except (crypto.Unreadable, ValueError) as fault:
            raise KeyUnusable(f"signing key {kid} cannot be unsealed: {fault}") from fault
        if key.public_jwk != public_jwk:
            raise KeyUnusable(f"signing key {kid} is not the one that is published")
        return key

    def destroy(self, handle: bytes) -> None:
        """Do nothing: the handle was the key, and the caller deletes it."""


def _context(kid: str) -> str:
    return f"signing_key:pem:{kid}"


# By the name that a key's row carries; new keys are made by the one that `keys.service` names.
SERVICES: Mapping[str, Callable[[], KeyService]] = {"sealed": SealedKeys, "pkcs11": Pkcs11Keys}
_open_services: PerApp[dict[str, KeyService]] = PerApp(dict)


def find_service(name: str) -> KeyService:
    """Return the service of a name, opened once."""
    services = _open_services()
    if name not in services:
        services[name] = SERVICES[name]()
    return services[name]

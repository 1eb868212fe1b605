"""Signing keys in a hardware module or token behind PKCS#11: made there, used there, never readable outside.

Needs `python-pkcs11` (`pip install sesame-idp[hsm]`). The handle of a key is its CKA_ID.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from idp import entropy
from idp.oidc.jose.own import Algorithm, SigningKey, load_remote, publish_ec, publish_rsa
from idp.oidc.key_service import KeyUnusable, NewKey
from idp.settings import settings

_ID_BYTES = 16


class Pkcs11Keys:
    """The token that the settings name; one session per thread, since a session does one thing at a time."""

    def __init__(self) -> None:
        try:
            import pkcs11
        except ImportError as fault:
            raise KeyUnusable("keys.service is pkcs11, and python-pkcs11 is not installed (sesame-idp[hsm])") from fault
        self._pkcs11: Any = pkcs11
        self._where, self._rsa_bits = settings.keys.pkcs11, settings.rsa_key_bits
        self._mine = threading.local()
        self._login = threading.Lock()
        self._keeper: Any = None

    def make(self, alg: Algorithm) -> NewKey:
        """Have the token make a key that it will not give out."""
        handle = entropy.random_bytes(_ID_BYTES)
        options = {"id": handle, "label": f"sesame {alg} {handle.hex()[:8]}", "store": True}
        with self._acting("make a key"), self._open_session(writing=True) as session:
            if alg == "RS256":
                return NewKey(self._make_rsa(session, options), handle)
            return NewKey(self._make_ec(session, options), handle)

    def open(self, handle: bytes, public_jwk: Mapping[str, str], alg: Algorithm) -> SigningKey:
        """Return a key that signs in the token; raises `KeyUnusable` at once when the token has it not."""

        def sign_bytes(message: bytes) -> bytes:
            try:
                return self._sign(handle, alg, message)
            except self._pkcs11.PKCS11Error:
                # The token was taken out, restarted or logged out: one new session, then it is a fault.
                self._forget()
                with self._acting("sign"):
                    return self._sign(handle, alg, message)

        with self._acting(f"open key {public_jwk['kid']}"):
            self._private(handle)
        return load_remote(public_jwk, alg, sign_bytes)

    def destroy(self, handle: bytes) -> None:
        """Delete both halves in the token; one that is gone already is no fault."""
        with self._acting("destroy a key"), self._open_session(writing=True) as session:
            for found in list(session.get_objects({self._pkcs11.Attribute.ID: handle})):
                found.destroy()

    def _sign(self, handle: bytes, alg: Algorithm, message: bytes) -> bytes:
        mechanism = self._pkcs11.Mechanism
        key = self._private(handle)
        if alg == "RS256":
            return bytes(key.sign(message, mechanism=mechanism.SHA256_RSA_PKCS))
        # Hashed here: every token knows CKM_ECDSA, few know CKM_ECDSA_SHA256. The answer is r||s, as RFC 7518 §3.4.
        return bytes(key.sign(hashlib.sha256(message).digest(), mechanism=mechanism.ECDSA))

    def _private(self, handle: bytes) -> Any:
        """Return a private key in this thread's own session."""
        keys: dict[bytes, Any] = self._mine.__dict__.setdefault("keys", {})
        if handle not in keys:
            if "session" not in self._mine.__dict__:
                self._mine.session = self._new_session(writing=False)
            keys[handle] = self._mine.session.get_key(object_class=self._pkcs11.ObjectClass.PRIVATE_KEY, id=handle)
        return keys[handle]

    def _new_session(self, *, writing: bool) -> Any:
        with self._login:
            token = self._pkcs11.lib(str(self._where.module)).get_token(token_label=self._where.token)
            if self._keeper is None:
                # PKCS#11 logs a process in, not a session, and for as long as one session is open: this one.
                try:
                    self._keeper = token.open(user_pin=self._where.pin.get_secret_value())
                except self._pkcs11.UserAlreadyLoggedIn:
                    self._keeper = token.open()
            return token.open(rw=writing)

    @contextmanager
    def _open_session(self, *, writing: bool) -> Iterator[Any]:
        with self._new_session(writing=writing) as session:
            yield session

    def _forget(self) -> None:
        self._mine.__dict__.clear()
        with self._login:
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            try:
                keeper.close()
            except self._pkcs11.PKCS11Error:
                return

    @contextmanager
    def _acting(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._pkcs11.PKCS11Error as fault:
            raise KeyUnusable(f"the PKCS#11 token cannot {what}: {type(fault).__name__} {fault}".strip()) from fault

    def _make_rsa(self, session: Any, options: Mapping[str, Any]) -> dict[str, str]:
        attribute = self._pkcs11.Attribute
        public, _ = session.generate_keypair(
            self._pkcs11.KeyType.RSA, self._rsa_bits, private_template=self._kept_in, **options
        )
        return publish_rsa(public[attribute.MODULUS], public[attribute.PUBLIC_EXPONENT])

    def _make_ec(self, session: Any, options: Mapping[str, Any]) -> dict[str, str]:
        from pkcs11.util.ec import encode_named_curve_parameters

        attribute = self._pkcs11.Attribute
        curve = session.create_domain_parameters(
            self._pkcs11.KeyType.EC, {attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}, local=True
        )
        public, _ = curve.generate_keypair(private_template=self._kept_in, **options)
        return publish_ec(public[attribute.EC_POINT])

    @property
    def _kept_in(self) -> dict[Any, Any]:
        attribute = self._pkcs11.Attribute
        return {attribute.SENSITIVE: True, attribute.EXTRACTABLE: False, attribute.PRIVATE: True}

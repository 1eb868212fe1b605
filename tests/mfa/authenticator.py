"""An authenticator in software: it makes and uses credentials as a phone does, and lies in every field on demand."""

import hashlib
import json
import os
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import ISSUER

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
SYNCED = UP | UV | BE | BS
GOOGLE = bytes.fromhex("ea9b8d664d011d213ce4b6b48cb575d4")


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Credential:
    """One passkey, private key and all."""

    id: bytes
    key: ec.EllipticCurvePrivateKey
    user_handle: bytes
    count: int


@dataclass
class Authenticator:
    """A phone with a browser; ``flags`` and ``steps`` (of the counter) say what kind."""

    origin: str = ISSUER
    flags: int = SYNCED
    steps: int = 0
    aaguid: bytes = GOOGLE
    credentials: list[Credential] = field(default_factory=list)

    def create(self, options: dict[str, Any], **lies: Any) -> str:
        """Answer `navigator.credentials.create()`."""
        key = ec.generate_private_key(ec.SECP256R1())
        credential_id = lies.get("credential_id", os.urandom(32))
        made = Credential(credential_id, key, unb64(options["user"]["id"]), self.steps)
        self.credentials.append(made)
        attested = (
            lies.get("aaguid", self.aaguid)
            + struct.pack(">H", len(credential_id))
            + credential_id
            + lies.get("public_key", cose_of(key))
        )
        data = self._data(options["rp"]["id"], made.count, AT, lies) + attested
        attestation = {"fmt": lies.get("fmt", "none"), "attStmt": lies.get("att_stmt", {}), "authData": data}
        client_data = self._client_data("webauthn.create", options["challenge"], lies)
        return json.dumps(
            {
                "id": b64(lies.get("told_id", credential_id)),
                "rawId": b64(lies.get("told_id", credential_id)),
                "type": lies.get("credential_type", "public-key"),
                "authenticatorAttachment": "platform",
                "clientExtensionResults": {"credProps": {"rk": True}},
                "response": {
                    "clientDataJSON": b64(client_data),
                    "attestationObject": b64(lies.get("attestation_object", cbor2.dumps(attestation))),
                    "transports": lies.get("transports", ["internal", "hybrid", "<script>"]),
                },
            }
        )

    def get(self, options: dict[str, Any], credential: Credential | None = None, **lies: Any) -> str:
        """Answer `navigator.credentials.get()`."""
        used = credential or self.credentials[-1]
        used.count += self.steps
        data = self._data(options["rpId"], lies.get("count", used.count), 0, lies)
        client_data = self._client_data("webauthn.get", options["challenge"], lies)
        signature = used.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(data),
            "signature": b64(lies.get("signature", signature)),
            "userHandle": b64(used.user_handle),
        }
        if "user_handle" in lies:
            told = lies["user_handle"]
            response["userHandle"] = b64(told) if isinstance(told, bytes) else told
        return json.dumps(
            {
                "id": b64(lies.get("told_id", used.id)),
                "rawId": b64(lies.get("raw_id", lies.get("told_id", used.id))),
                "type": lies.get("credential_type", "public-key"),
                "clientExtensionResults": {},
                "response": response,
            }
        )

    def _data(self, rp_id: str, count: int, more: int, lies: dict[str, Any]) -> bytes:
        digest = hashlib.sha256(lies.get("rp_id", rp_id).encode()).digest()
        return digest + bytes([lies.get("flags", self.flags) | more]) + struct.pack(">I", count)

    def _client_data(self, kind: str, challenge: str, lies: dict[str, Any]) -> bytes:
        fields = {
            "type": lies.get("type", kind),
            "challenge": lies.get("challenge", challenge),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": lies.get("cross_origin", False),
        }
        if "top_origin" in lies:
            fields["topOrigin"] = lies["top_origin"]
        return json.dumps(fields, separators=(",", ":")).encode()


def cose_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public half as a COSE key (RFC 9052): ES256 on P-256."""
    numbers = key.public_key().public_numbers()
    return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})

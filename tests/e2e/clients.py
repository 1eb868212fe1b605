"""The clients of the relying parties that other people's libraries make: what each registers, and its own keys."""

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.e2e.demonstration import Demonstration

# Nothing listens here: the person brings what comes to it.
REDIRECT_URI = "http://127.0.0.1:9/callback"
API = "https://api.example"
SCOPE = "openid profile email offline_access"

_WEBSITE: dict[str, Any] = {
    "redirect_uris": [REDIRECT_URI],
    "post_logout_redirect_uris": ["http://127.0.0.1:9/left"],
    "scope": SCOPE,
}
_BY_KEY = {**_WEBSITE, "auth_method": "private_key_jwt", "id_token_alg": "ES256"}
_SIGNED_ANSWERS = {
    "authorization_signed_response_alg": "ES256",
    "userinfo_signed_response_alg": "ES256",
    "introspection_signed_response_alg": "ES256",
}
_FAPI = {
    **_BY_KEY,
    **_SIGNED_ANSWERS,
    "security_profile": "fapi2",
    "dpop_bound_access_tokens": True,
    "require_signed_request_object": True,
}


@dataclass(frozen=True)
class Kind:
    """What clients of this kind register, and the algorithms of their keys by use."""

    metadata: dict[str, Any]
    keys: dict[str, str] = field(default_factory=dict)


KINDS = {
    "website": Kind(_WEBSITE),
    "signing": Kind(
        {**_BY_KEY, **_SIGNED_ANSWERS, "require_signed_request_object": True, "request_object_signing_alg": "ES256"},
        {"sig": "ES256"},
    ),
    "sealing": Kind(
        {
            **_WEBSITE,
            "auth_method": "client_secret_post",
            "id_token_encrypted_response_alg": "RSA-OAEP-256",
            "id_token_encrypted_response_enc": "A256GCM",
            "userinfo_signed_response_alg": "RS256",
            "userinfo_encrypted_response_alg": "RSA-OAEP-256",
            "userinfo_encrypted_response_enc": "A256GCM",
        },
        {"enc": "RSA-OAEP-256"},
    ),
    "machine": Kind(
        {
            "kind": "machine",
            "auth_method": "client_secret_jwt",
            "machine_scopes": ["reports:read"],
            "resources": [API],
            "access_token_format": "jwt",
            "scope": "",
        }
    ),
    "device": Kind({"kind": "device", "scope": "openid profile offline_access"}),
    **{f"fapi-{alg}": Kind(_FAPI, {"sig": alg}) for alg in ("ES256", "PS256", "Ed25519")},
}


# What a relying party knows of its own registration, by the names of RFC 7591.
_KNOWN_ENDINGS = ("_alg", "_enc", "_uris", "resources")
_SHOWN = ("client_id", "token_endpoint_auth_method", "id_token_signed_response_alg")


@dataclass(frozen=True)
class RelyingParty:
    """A registered client, as its own program knows itself."""

    metadata: dict[str, Any]
    client_secret: str | None
    keys: dict[str, dict[str, Any]]


class Register:
    """Registers clients by the command line, one of each kind in a demonstration."""

    def __init__(self, demonstration: Demonstration) -> None:
        self.demonstration = demonstration
        self._known: dict[str, RelyingParty] = {}

    def get(self, kind: str) -> RelyingParty:
        if kind not in self._known:
            self._known[kind] = self._add(kind)
        return self._known[kind]

    def _add(self, kind: str) -> RelyingParty:
        keys = {use: _new_key(alg, use) for use, alg in KINDS[kind].keys.items()}
        metadata = dict(KINDS[kind].metadata)
        if keys:
            metadata["jwks"] = {"keys": [key.as_dict(private=False) for key in keys.values()]}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "client.json"
            path.write_text(json.dumps(metadata))
            shown = self.demonstration.command("clients", "add", "--name", f"Interop {kind}", "--metadata", str(path))
        known = {name: value for name, value in metadata.items() if name.endswith(_KNOWN_ENDINGS)}
        known |= {name: shown[name] for name in _SHOWN}
        private = {use: key.as_dict(private=True) for use, key in keys.items()}
        return RelyingParty(known, shown.get("client_secret"), private)


def _new_key(alg: str, use: str) -> "ECKey | RSAKey | OKPKey":
    named = {"alg": alg, "use": use, "kid": f"{use}-{alg}"}
    if alg == "ES256":
        return ECKey.generate_key("P-256", named)
    if alg == "Ed25519":
        return OKPKey.generate_key("Ed25519", named)
    return RSAKey.generate_key(2048, named)

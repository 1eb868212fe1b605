"""Which models of authenticators may be enrolled: any, unless the operator says otherwise (ADR 0007).

With FIDO metadata, models whose keys may be in other hands are refused. Where models are required, a passkey must prove
its own by a statement of the format `packed` with a certificate (WebAuthn §8.2): in the other formats, or without a
certificate, the model is only claimed.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, encode_cbor, parse_authenticator_data, parse_cbor
from webauthn.helpers.structs import AttestationConveyancePreference, AttestationFormat

from idp.mfa.fido_metadata import BadMetadata, Model, current_metadata
from idp.settings import settings

# id-fido-gen-ce-aaguid: the model that a certificate is for (WebAuthn §8.2.1).
_AAGUID = ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
Roots = dict[AttestationFormat, list[bytes]]


class ModelRefused(Exception):
    """This model of authenticator is not enrolled here; the message is for our records."""


def conveyance() -> AttestationConveyancePreference:
    """Return whether browsers are asked which model made a passkey."""
    asks = settings.passkeys.attestation.metadata is not None
    return AttestationConveyancePreference.DIRECT if asks else AttestationConveyancePreference.NONE


def judge_model(fields: Mapping[str, Any]) -> tuple[dict[str, Any], Roots | None]:
    """Return the answer as it is to be verified, and the roots that its statement must chain up to.

    Raises `ModelRefused`. Where no model is required, the statement is left out: one that nobody asked for, or trusts,
    can only do harm (AC-88).
    """
    try:
        metadata = current_metadata()
    except BadMetadata as fault:
        raise ModelRefused(str(fault)) from fault
    if metadata is None:
        return _without_statement(fields), None
    told = parse_cbor(base64url_to_bytes(fields["response"]["attestationObject"]))
    aaguid = _aaguid_of(told["authData"])
    model = metadata.models.get(aaguid)
    if model is not None and model.is_bad:
        raise ModelRefused(f"{aaguid} is not to be trusted any more")
    required = settings.passkeys.attestation.require
    if not required:
        return _without_statement(fields), None
    if model is None or not ({aaguid} | model.statuses) & set(required):
        raise ModelRefused(f"{aaguid} is not among the required models")
    _check_statement(told, aaguid, model)
    return dict(fields), {AttestationFormat.PACKED: list(model.roots)}


def _check_statement(told: Mapping[str, Any], aaguid: str, model: Model) -> None:
    """Refuse what the library would let through: no certificate, no root to chain up to, one of another model."""
    chain = told["attStmt"].get("x5c") if isinstance(told["attStmt"], dict) else None
    if told["fmt"] != AttestationFormat.PACKED.value or not isinstance(chain, list) or not chain:
        raise ModelRefused(f"{aaguid} is claimed and not proved")
    if not model.roots:
        # Without roots the library takes every chain for good.
        raise ModelRefused(f"no root is known of {aaguid}")
    leaf = x509.load_der_x509_certificate(chain[0])
    # WebAuthn §8.2.1, point by point.
    units = [str(name.value) for name in leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    holds = (
        leaf.version == x509.Version.v3,
        units == ["Authenticator Attestation"],
        not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca,
        _model_of(leaf) in {None, aaguid},
    )
    if not all(holds):
        raise ModelRefused(f"the certificate is not one of {aaguid}")


def _model_of(leaf: x509.Certificate) -> str | None:
    try:
        value = leaf.extensions.get_extension_for_oid(_AAGUID).value
    except x509.ExtensionNotFound:
        return None
    raw = value.public_bytes()
    # An OCTET STRING of 16 bytes.
    return str(UUID(bytes=raw[2:])) if raw[:2] == b"\x04\x10" and len(raw) == 18 else ""


def _aaguid_of(data: bytes) -> str:
    credential = parse_authenticator_data(data).attested_credential_data
    return str(UUID(bytes=credential.aaguid)) if credential else ""


def _without_statement(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer whose attestation says "none"; what a client wrote there instead is not read."""
    data = parse_cbor(base64url_to_bytes(fields["response"]["attestationObject"]))["authData"]
    bare = bytes_to_base64url(encode_cbor({"fmt": "none", "attStmt": {}, "authData": data}))
    return {**fields, "response": {**fields["response"], "attestationObject": bare}}

"""The ceremonies of WebAuthn: what a browser is asked for, and whether what it answers is what was asked (R6).

The library checks type, challenge, origin, RP ID, flags and signature (WebAuthn §7.1, §7.2). Ours are: that a challenge
serves once, in its own ceremony, browser and account; that nothing comes out of a frame; whose the credential is; that
counter and backup flags make sense; and that a public key can be used at all. Attestation is not asked for, and none is
read, unless the operator has FIDO metadata (`webauthn_attestation.py`, ADR 0007).
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
)
from webauthn.helpers.cose import COSECRV, COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import (
    DecodedEC2PublicKey,
    DecodedOKPPublicKey,
    DecodedRSAPublicKey,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idp import crypto, entropy
from idp.mfa.passkeys import NewPasskey, Passkey, find_passkey, record_use, user_handle_of
from idp.mfa.webauthn_attestation import ModelRefused, conveyance, judge_model
from idp.settings import settings
from idp.state import Space, state
from idp.strict_json import parse_json

Kind = Literal["register", "second-step", "sign-in"]
Reason = Literal[
    "unreadable",
    "challenge",
    "unknown",
    "owner",
    "user-handle",
    "frame",
    "refused",
    "backup-flags",
    "counter",
    "key",
    "model",
]

# An answer with its attestation object; no honest one comes near.
LONGEST_ANSWER = 32 * 1024
_DEEPEST = 8
_ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_TRANSPORTS = frozenset(transport.value for transport in AuthenticatorTransport)
# What the library lets through of what strangers can write into CBOR, JSON and keys.
_UNREADABLE = (
    WebAuthnException, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError
)  # fmt: skip


class WebauthnFault(Exception):
    """An answer that proves nothing; ``reason`` is for our records, not for the page."""

    def __init__(self, reason: Reason, detail: str = "", *, credential_id: bytes | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: Reason = reason
        self.credential_id = credential_id


@dataclass(frozen=True)
class Ceremony:
    """One challenge: for one kind of ceremony, in one place of one browser, for one account if that is known."""

    kind: Kind
    place: str
    account_id: str | None


CEREMONIES = Space("webauthn", Ceremony, once=True)


@dataclass(frozen=True)
class Answer:
    """What a browser sent, read but not believed."""

    fields: dict[str, Any]
    credential_id: bytes
    challenge: bytes
    client_data: dict[str, Any]


# -- asking --------------------------------------------------------------------------------------------------------


def ask_to_register(
    *, account_id: str, user_handle: bytes, user_name: str, known: Iterable[Passkey], place: str
) -> dict[str, Any]:
    """Return what `navigator.credentials.create()` is called with: a discoverable credential, the person verified."""
    options = generate_registration_options(
        rp_id=settings.rp_id,
        rp_name=settings.site_name,
        user_id=user_handle,
        user_name=user_name,
        challenge=_challenge("register", place, account_id),
        timeout=_timeout(),
        attestation=conveyance(),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[_descriptor(passkey) for passkey in known],
        supported_pub_key_algs=_ALGORITHMS,
    )
    return {**options_to_json_dict(options), "extensions": {"credProps": True}}


def ask_to_sign_in(kind: Kind, *, account_id: str | None, known: Iterable[Passkey], place: str) -> dict[str, Any]:
    """Return what `navigator.credentials.get()` is called with.

    Before anybody is known no credential is named, whatever was typed: the list would tell who has an account (AC-56).
    """
    options = generate_authentication_options(
        rp_id=settings.rp_id,
        challenge=_challenge(kind, place, account_id),
        timeout=_timeout(),
        allow_credentials=[_descriptor(passkey) for passkey in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def _challenge(kind: Kind, place: str, account_id: str | None) -> bytes:
    challenge = entropy.random_bytes(32)
    state.put(CEREMONIES, _key(challenge), Ceremony(kind, place, account_id), ttl=settings.passkeys.challenge)
    return challenge


def _key(challenge: bytes) -> str:
    return hashlib.sha256(challenge).hexdigest()


def _timeout() -> int:
    return int(settings.passkeys.challenge.total_seconds() * 1000)


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    # Transports let a computer offer the phone that holds the passkey (hybrid), and nothing that cannot.
    transports = [AuthenticatorTransport(word) for word in passkey.transports if word in _TRANSPORTS]
    return PublicKeyCredentialDescriptor(id=passkey.credential_id, transports=transports or None)


# -- answering -----------------------------------------------------------------------------------------------------


def check_registration(text: str, *, account_id: str, place: str) -> NewPasskey:
    """Return the new credential in a browser's answer, or raise `WebauthnFault` (WebAuthn §7.1)."""
    answer = _read(text)
    _spend(answer, "register", place=place, account_id=account_id)
    _check_frame(answer)
    try:
        fields, roots = judge_model(answer.fields)
        verified = verify_registration_response(
            credential=fields,
            expected_challenge=answer.challenge,
            expected_rp_id=settings.rp_id,
            expected_origin=settings.passkey_origins,
            require_user_presence=True,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
            pem_root_certs_bytes_by_fmt=roots,
        )
        _check_key(verified.credential_public_key)
    except ModelRefused as fault:
        raise WebauthnFault("model", str(fault)) from fault
    except _UNREADABLE as fault:
        raise WebauthnFault("refused", str(fault)[:200]) from fault
    if verified.credential_id != answer.credential_id or not 16 <= len(verified.credential_id) <= 1023:
        raise WebauthnFault("refused", "credential id")
    transports = answer.fields["response"].get("transports")
    return NewPasskey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=tuple(sorted(_TRANSPORTS.intersection(_words(transports)))),
        aaguid=verified.aaguid,
        backup_eligible=verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        backed_up=verified.credential_backed_up,
    )


def check_assertion(text: str, kind: Kind, *, account_id: str | None, place: str, now: datetime) -> Passkey:
    """Return the passkey that a browser's answer proves, its use recorded, or raise `WebauthnFault` (WebAuthn §7.2).

    ``account_id`` is who must have answered, ``None`` when the passkey itself says who it is. The caller commits, also
    after a fault: a counter that went back leaves a trace.
    """
    answer = _read(text)
    _spend(answer, kind, place=place, account_id=account_id)
    _check_frame(answer)
    passkey = find_passkey(answer.credential_id)
    if passkey is None:
        raise WebauthnFault("unknown", credential_id=answer.credential_id)
    _check_owner(answer, passkey, account_id)
    try:
        verified = verify_authentication_response(
            credential=answer.fields,
            expected_challenge=answer.challenge,
            expected_rp_id=settings.rp_id,
            expected_origin=settings.passkey_origins,
            credential_public_key=passkey.public_key,
            # The library would refuse before the signature is looked at; `record_use` judges a genuine counter.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except _UNREADABLE as fault:
        raise WebauthnFault("refused", str(fault)[:200]) from fault
    # WebAuthn §7.2 step 19: what was made to be backed up stays so, and nothing else becomes so.
    if (verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE) != passkey.backup_eligible:
        raise WebauthnFault("backup-flags")
    if not record_use(passkey, sign_count=verified.new_sign_count, backed_up=verified.credential_backed_up, now=now):
        raise WebauthnFault("counter")
    return passkey


def _read(text: str) -> Answer:
    """Read the JSON that `PublicKeyCredential.toJSON()` makes; anything else is "unreadable"."""
    try:
        fields = parse_json(text, longest=LONGEST_ANSWER, deepest=_DEEPEST)
        credential_id = _decode(fields["id"])
        client_data = parse_json(
            _decode(fields["response"]["clientDataJSON"]).decode(), longest=LONGEST_ANSWER, deepest=_DEEPEST
        )
        challenge = _decode(client_data["challenge"])
    except _UNREADABLE as fault:
        raise WebauthnFault("unreadable", type(fault).__name__) from fault
    return Answer(fields, credential_id, challenge, client_data)


def _spend(answer: Answer, kind: Kind, *, place: str, account_id: str | None) -> None:
    """Use a challenge up before anything else is looked at (WebAuthn §13.4.3): a wrong answer is the last one too."""
    ceremony = state.take(CEREMONIES, _key(answer.challenge))
    if ceremony is None:
        raise WebauthnFault("challenge", "none of ours, used or too old")
    if (ceremony.kind, ceremony.account_id) != (kind, account_id) or not crypto.same(ceremony.place, place):
        raise WebauthnFault("challenge", "of another ceremony, browser or account")


def _check_frame(answer: Answer) -> None:
    """Refuse what was made in a frame of another site; our pages are never framed (WebAuthn §13.4.2)."""
    if answer.client_data.get("crossOrigin", False) is not False or "topOrigin" in answer.client_data:
        raise WebauthnFault("frame")


def _check_owner(answer: Answer, passkey: Passkey, account_id: str | None) -> None:
    """WebAuthn §7.2 step 6: the credential is the known person's, or names its person by the user handle."""
    if account_id is not None and passkey.account_id != account_id:
        raise WebauthnFault("owner")
    told = answer.fields["response"].get("userHandle")
    if told is None and account_id is not None:
        return
    try:
        handle = _decode(told)
    except _UNREADABLE as fault:
        raise WebauthnFault("user-handle") from fault
    if handle != user_handle_of(passkey.account_id):
        raise WebauthnFault("user-handle")


def _check_key(public_key: bytes) -> None:
    """Refuse keys that are weak, of a curve that does not go with their algorithm, or no keys at all (AC-84)."""
    key = decode_credential_public_key(public_key)
    is_sound = (
        (isinstance(key, DecodedOKPPublicKey) and key.crv == COSECRV.ED25519)
        or (isinstance(key, DecodedEC2PublicKey) and key.crv == COSECRV.P256)
        or (isinstance(key, DecodedRSAPublicKey) and 256 <= len(key.n.lstrip(b"\0")) <= 512 and len(key.e) <= 4)
    )
    if not is_sound:
        raise WebauthnFault("key")
    decoded_public_key_to_cryptography(key)


def _words(value: Any) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _decode(text: str) -> bytes:
    """Return the bytes of base64url without padding, or raise `ValueError`: one spelling for each value."""
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(raw) != text:
        raise ValueError("not base64url")
    return raw


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")

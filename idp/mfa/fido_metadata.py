"""What the FIDO Alliance says of models of authenticators: its metadata BLOB (MDS3), believed only with its signature.

The operator downloads the file; nothing is fetched here. The library checks the JWS and that each certificate signed
the one before. It asks neither for dates, nor whether an issuer may issue, nor whose certificate it is: anybody with
any certificate under the same root could sign. `_check_chain` asks (FIDO MDS §3.2).
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from idp import clock, logs
from idp.settings import AttestationSettings, SettingsFault, settings

_SIGNER = x509.DNSName("mds.fidoalliance.org")
# MDS §3.1.4: "relying parties SHOULD NOT accept" keys of these; whatever was said of the model before or since.
BAD = frozenset(
    {
        "USER_VERIFICATION_BYPASS",
        "ATTESTATION_KEY_COMPROMISE",
        "USER_KEY_REMOTE_COMPROMISE",
        "USER_KEY_PHYSICAL_COMPROMISE",
        "REVOKED",
    }
)
log = logs.get_logger()


class BadMetadata(Exception):
    """The file is not what the FIDO Alliance signed, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model of authenticators: what was said of it, and which roots its attestations chain up to (PEM)."""

    name: str
    statuses: frozenset[str]
    roots: tuple[bytes, ...]

    @property
    def is_bad(self) -> bool:
        """Whether keys of this model may be in other hands."""
        return bool(self.statuses & BAD)


@dataclass(frozen=True)
class Metadata:
    """One edition of the metadata, its models by AAGUID."""

    number: int
    next_update: date
    models: Mapping[str, Model]


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: tuple[int, int]
    metadata: Metadata


_kept: dict[tuple[Path, Path], _Kept] = {}


def read_metadata(blob: bytes, roots: bytes, now: datetime) -> Metadata:
    """Return what a BLOB says, or raise `BadMetadata`; ``roots`` are the certificates (PEM) that are believed."""
    try:
        from fido2.attestation.base import InvalidSignature as NotIssued
        from fido2.mds3 import parse_blob
    except ImportError as fault:
        raise BadMetadata("needs the extra `mds`: pip install sesame-idp[mds]") from fault
    blob = blob.strip()
    try:
        header = _header(blob)
        root = _check_chain(header, x509.load_pem_x509_certificates(roots), now)
        payload = parse_blob(_as_library_reads(blob, header), root.public_bytes(Encoding.DER))
        models = {str(e.aaguid): _model(e) for e in payload.entries if e.aaguid is not None}
        return Metadata(payload.no, payload.next_update, models)
    except (InvalidSignature, NotIssued) as fault:
        raise BadMetadata("signed by somebody else, or changed since") from fault
    except VerificationError as fault:
        raise BadMetadata(f"not signed by {_SIGNER.value}: {fault}") from fault
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, NotImplementedError, RecursionError) as fault:
        raise BadMetadata(f"not a metadata BLOB: {type(fault).__name__}") from fault


def current_metadata() -> Metadata | None:
    """Return the metadata of the settings, read anew when the file is another; ``None`` where none are used.

    A newer file that is not good is reported and left: what was true before is still known.
    """
    where = settings.passkeys.attestation
    return None if where.metadata is None else load_metadata(where, clock.now())


def load_metadata(where: AttestationSettings, now: datetime) -> Metadata:
    """Return the metadata of a file, from memory while it is the same file, or raise `BadMetadata`."""
    if where.metadata is None or where.root is None:
        raise BadMetadata("no file is set")
    key = (where.metadata, where.root)
    known = _kept.get(key)
    try:
        stamp = (where.metadata.stat().st_mtime_ns, where.root.stat().st_mtime_ns)
        if known is not None and known.stamp == stamp:
            return known.metadata
        found = read_metadata(where.metadata.read_bytes(), where.root.read_bytes(), now)
        if known is not None and found.number < known.metadata.number:
            # MDS §3.2: "the number is greater than the one before": an old edition knows nothing of newer faults.
            raise BadMetadata(f"edition {found.number} is older than {known.metadata.number}")
    except (OSError, BadMetadata) as fault:
        if known is None:
            raise BadMetadata(str(fault)) from fault
        log.error("fido-metadata-unusable", detail=str(fault))
        return known.metadata
    if found.next_update < now.date():
        log.warning("fido-metadata-stale", edition=found.number, next_update=found.next_update.isoformat())
    _kept[key] = _Kept(stamp, found)
    return found


def check_metadata(where: AttestationSettings, now: datetime) -> None:
    """Raise `SettingsFault` when the file in the settings is not good: the start stops."""
    if where.metadata is None:
        return
    try:
        load_metadata(where, now)
    except BadMetadata as fault:
        raise SettingsFault([f"passkeys.attestation.metadata: {fault}"]) from fault


def _header(blob: bytes) -> Mapping[str, Any]:
    head = blob.split(b".")[0]
    header = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    if not isinstance(header, dict) or "crit" in header:
        # RFC 7515 §4.1.11: what is critical and unknown makes it invalid.
        raise ValueError("header")
    return header


def _as_library_reads(blob: bytes, header: Mapping[str, Any]) -> bytes:
    """Write an ES256 signature as WebAuthn does, for the library reads it so; a JWS has R || S (RFC 7518 §3.4)."""
    if header["alg"] != "ES256":
        return blob
    message, _, text = blob.rpartition(b".")
    raw = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if len(raw) != 64:
        raise ValueError("signature")
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    return message + b"." + base64.urlsafe_b64encode(der).rstrip(b"=")


def _check_chain(header: Mapping[str, Any], roots: list[x509.Certificate], now: datetime) -> x509.Certificate:
    """Return the root under which the signer's certificate stands today, as one of a server of the FIDO Alliance."""
    leaf, *between = [x509.load_der_x509_certificate(base64.b64decode(one)) for one in header["x5c"]]
    verifier = PolicyBuilder().store(Store(roots)).time(now).build_server_verifier(_SIGNER)
    return verifier.verify(leaf, between)[-1]


def _model(entry: Any) -> Model:
    statement = entry.metadata_statement
    statuses = {str(report.status.value) for report in entry.status_reports if report.status is not None}
    found = statement.attestation_root_certificates if statement else ()
    roots = (x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM) for one in found)
    return Model(statement.description if statement else "", frozenset(statuses), tuple(roots))

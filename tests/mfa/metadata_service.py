"""A metadata service of the tests: its root, a signer under it, editions of the BLOB, keys of certified models."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tests.mfa.authenticator import Authenticator, b64, unb64

SIGNER = "mds.fidoalliance.org"
AAGUID = ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")


@dataclass
class Holder:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def new_root(name: str, now: datetime) -> Holder:
    return issue(name, None, now, ca=True)


def issue(
    name: str,
    issuer: Holder | None,
    now: datetime,
    *,
    ca: bool = False,
    host: str | None = None,
    units: tuple[str, ...] = (),
    model: bytes | None = None,
    kind: str = "EC",
    begins: timedelta = timedelta(days=-2),
    ends: timedelta = timedelta(days=90),
) -> Holder:
    """Return a certificate, self-signed without an issuer."""
    key: Any = ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else rsa.generate_private_key(65537, 2048)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    names += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    subject = x509.Name(names)
    signer = issuer or Holder(None, key)  # type: ignore[arg-type]
    draft = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    draft = draft.issuer_name(issuer.certificate.subject if issuer else subject)
    draft = draft.serial_number(x509.random_serial_number()).not_valid_before(now + begins).not_valid_after(now + ends)
    draft = draft.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    draft = draft.add_extension(
        x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True
    )
    draft = draft.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    draft = draft.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False
    )
    if host:
        draft = draft.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        draft = draft.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    if model is not None:
        draft = draft.add_extension(x509.UnrecognizedExtension(AAGUID, b"\x04\x10" + model), critical=False)
    return Holder(draft.sign(signer.key, hashes.SHA256()), key)


@dataclass
class MetadataService:
    """Signs editions of the metadata into a file."""

    folder: Path
    now: datetime
    entries: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = new_root("Test FIDO Root", self.now)
        self.signer = issue(SIGNER, self.root, self.now, host=SIGNER)
        (self.folder / "root.pem").write_bytes(self.root.pem)

    @property
    def settings(self) -> dict[str, Any]:
        return {"metadata": self.folder / "blob.jwt", "root": self.folder / "root.pem"}

    def list_model(self, aaguid: bytes, root: Holder, *statuses: str) -> None:
        """Add a model."""
        reports = [{"status": status, "effectiveDate": "2024-01-01"} for status in statuses]
        self.entries.append(
            {
                "aaguid": str(UUID(bytes=aaguid)),
                "statusReports": reports,
                "timeOfLastStatusChange": "2024-01-01",
                "metadataStatement": {
                    "description": "Test Key", "authenticatorVersion": 1, "schema": 3,
                    "upv": [{"major": 1, "minor": 0}], "attestationTypes": ["basic_full"],
                    "userVerificationDetails": [[{"userVerificationMethod": "passcode_internal"}]],
                    "keyProtection": ["hardware"], "matcherProtection": ["on_chip"], "attachmentHint": ["external"],
                    "tcDisplay": [], "attestationRootCertificates": [base64.b64encode(root.der).decode()],
                },
            }
        )  # fmt: skip

    def publish(self, **lies: Any) -> bytes:
        """Write the next edition and return it."""
        blob = self.sign(**lies)
        (self.folder / "blob.jwt").write_bytes(blob)
        return blob

    def sign(self, **lies: Any) -> bytes:
        """Return an edition; ``number``, ``signer``, ``chain``, ``header`` and ``payload`` lie."""
        signer: Holder = lies.get("signer", self.signer)
        chain = lies.get("chain", [signer])
        is_rsa = isinstance(signer.key, rsa.RSAPrivateKey)
        header = {
            "alg": "RS256" if is_rsa else "ES256",
            "typ": "JWT",
            "x5c": [base64.b64encode(one.der).decode() for one in chain],
        }
        payload = {
            "legalHeader": "for tests", "no": lies.get("number", 7),
            "nextUpdate": (self.now + timedelta(days=30)).date().isoformat(), "entries": self.entries,
        }  # fmt: skip
        told = ".".join(
            b64(json.dumps(part).encode()) for part in ({**header, **lies.get("header", {})}, payload)
        ).encode()
        if is_rsa:
            return told + b"." + b64(signer.key.sign(told, padding.PKCS1v15(), hashes.SHA256())).encode()
        r, s = decode_dss_signature(signer.key.sign(told, ec.ECDSA(hashes.SHA256())))
        return told + b"." + b64(r.to_bytes(32) + s.to_bytes(32)).encode()


def attested(
    options: dict[str, Any],
    phone: Authenticator,
    maker: Holder,
    *,
    aaguid: bytes,
    chain: list[Holder] | None = None,
    **lies: Any,
) -> str:
    """Answer `create()` with a statement of the format "packed" that ``maker`` signs (WebAuthn §8.2)."""  # fmt: skip
    answer = json.loads(phone.create(options, aaguid=aaguid, **lies))
    made = cbor2.loads(unb64(answer["response"]["attestationObject"]))
    digest = hashlib.sha256(unb64(answer["response"]["clientDataJSON"])).digest()
    statement: dict[str, Any] = {
        "alg": -7, "sig": maker.key.sign(made["authData"] + digest, ec.ECDSA(hashes.SHA256())),
        "x5c": [one.der for one in (chain if chain is not None else [maker])],
    }  # fmt: skip
    if not statement["x5c"]:
        del statement["x5c"]
    told = {"fmt": lies.get("told_fmt", "packed"), "attStmt": statement, "authData": made["authData"]}
    answer["response"]["attestationObject"] = b64(cbor2.dumps(told))
    return json.dumps(answer)

"""Client certificates (RFC 8705): read from the header of a trusted proxy, compared with what is registered.

Sésame ends no TLS itself. A certificate counts only when it comes from a proxy that the settings name, which must
overwrite the header in what it passes on (P-24).
"""

import base64
import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from idp import crypto, logs
from idp.addresses import Network
from idp.oidc.clients import Client
from idp.settings import MtlsSettings

log = logs.get_logger()
_LONGEST = 16 * 1024
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*")
# RFC 9440 §2.1: a structured-field byte sequence.
_BYTES = re.compile(r":([A-Za-z0-9+/=]+):")


@dataclass(frozen=True)
class Certificate:
    """A client's certificate; that the client holds its key was proved to the proxy."""

    x509: x509.Certificate

    @property
    def thumbprint(self) -> str:
        """Return `x5t#S256` (RFC 8705 §3.1)."""
        digest = hashlib.sha256(self.x509.public_bytes(Encoding.DER)).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def certificate_header(headers: Mapping[str, str], *, peer: str, mtls: MtlsSettings) -> str | None:
    """Return what the proxy says of the client's certificate; ``None`` unless ``peer`` is a proxy that we trust.

    The proxy's secret stands in the same value as the certificate, not beside it: to a WSGI application the header
    `X_Client_Cert` that a stranger sends through the proxy is `X-Client-Cert` too, and certificates are public.
    """
    value = headers.get(mtls.header.lower()) if mtls.header else None
    if not value or len(value) > _LONGEST or not _is_trusted(peer, mtls.networks):
        return None
    secret = mtls.secret.get_secret_value()
    if not secret:
        return value
    theirs, _, certificate = value.partition(" ")
    return certificate.strip() or None if crypto.same(secret, theirs) else None


def read_certificate(value: str, form: str) -> Certificate | None:
    """Return the certificate in a header of ``form``, or ``None`` if there is none that can be read."""
    try:
        if form == "rfc9440":
            found = _BYTES.fullmatch(value.strip())
            return (
                Certificate(x509.load_der_x509_certificate(base64.b64decode(found[1], validate=True)))
                if found
                else None
            )
        pem = unquote(value).strip()
        return Certificate(x509.load_pem_x509_certificate(pem.encode())) if _PEM.fullmatch(pem) else None
    except ValueError:
        return None


def is_registered_subject(certificate: Certificate, client: Client) -> bool:
    """Tell whether the certificate names the client as it is registered (RFC 8705 §2.1.2)."""
    if client.tls_client_auth_subject_dn is not None:
        return _has_subject(certificate.x509, client.tls_client_auth_subject_dn)
    for kind, wanted in (
        (x509.DNSName, client.tls_client_auth_san_dns),
        (x509.UniformResourceIdentifier, client.tls_client_auth_san_uri),
        (x509.RFC822Name, client.tls_client_auth_san_email),
        (x509.IPAddress, client.tls_client_auth_san_ip),
    ):
        if wanted is not None:
            return _normal(wanted, kind) in _alternative_names(certificate.x509, kind)
    return False


def is_issued_by(certificate: Certificate, authorities: Path | None, now: datetime) -> bool:
    """Tell whether one of our certificate authorities issued the certificate, and it is valid now."""
    if authorities is None:
        return False
    try:
        store = _store(authorities, authorities.stat().st_mtime_ns)
    except (OSError, ValueError) as fault:
        # Gone or half written: nobody is known by it, and everybody else goes on.
        log.error("authorities-unreadable", detail=str(fault))
        return False
    policy = PolicyBuilder().store(store).time(now)
    # A client certificate names whatever its authority agreed on: only chain, dates and signatures are judged here.
    policy = policy.extension_policies(
        ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
    )
    try:
        policy.build_client_verifier().verify(certificate.x509, [])
    except VerificationError:
        return False
    return True


def is_among(certificate: Certificate, chains: tuple[tuple[str, ...], ...], now: datetime) -> bool:
    """Tell whether a self-signed certificate is one of those that the client registered (RFC 8705 §2.2.2)."""
    if not certificate.x509.not_valid_before_utc <= now <= certificate.x509.not_valid_after_utc:
        return False
    ours = base64.b64encode(certificate.x509.public_bytes(Encoding.DER)).decode()
    # Public values both: nothing to leak by the time of a comparison.
    return any(chain and "".join(chain[0].split()) == ours for chain in chains)


@lru_cache(maxsize=4)
def _store(authorities: Path, written_at: int) -> Store:
    """Read the authorities anew when their file was written: one that is withdrawn must not outlive it."""
    return Store(x509.load_pem_x509_certificates(authorities.read_bytes()))


def _is_trusted(peer: str, networks: tuple[Network, ...]) -> bool:
    try:
        address = ipaddress.ip_address(peer.split("%")[0])
    except ValueError:
        return False
    return any(address in network for network in networks)


def _has_subject(certificate: x509.Certificate, wanted: str) -> bool:
    try:
        return x509.Name.from_rfc4514_string(wanted) == certificate.subject
    except ValueError:
        return False


def _alternative_names(certificate: x509.Certificate, kind: Any) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [_normal(str(value), kind) for value in names.get_values_for_type(kind)]


def _normal(text: str, kind: Any) -> str:
    return text.lower() if kind in {x509.DNSName, x509.IPAddress} else text

"""A mail relay that behaves as badly as a test wants: it speaks real SMTP on a loopback port."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Relay:
    """What arrived, and what to answer: the next of ``answers``, then always the last."""

    def __init__(self, *, rcpt: list[str] | None = None, mail: str = "", data: list[str] | None = None) -> None:
        self.rcpt_answers, self.mail_answer = rcpt or ["250 ok"], mail
        self.data_answers = data or ["250 2.0.0 queued as 42"]
        self.delay = 0.0
        self.commands: list[str] = []
        self.mails: list[EmailMessage] = []
        self.contents: list[bytes] = []
        self.recipients: list[list[str]] = []
        self.senders: list[str] = []
        self.logins: list[tuple[str, bool]] = []
        self.secured: list[bool] = []
        self.connections = 0
        self.drop_after_data = 0
        self.on_mail: Callable[[], None] = lambda: None
        self.port = 0
        self.url = ""
        self._controller: Controller | None = None

    def start(self, *, tls: ssl.SSLContext | None = None, smtps: bool = False, login: str = "") -> "Relay":
        """Listen; with ``tls`` STARTTLS is required, or the whole connection is TLS (``smtps``)."""
        self.port = free_port()
        options: dict[str, Any] = {"hostname": "127.0.0.1", "port": self.port, "ident": "test relay"}
        if tls and smtps:
            options["ssl_context"] = tls
        elif tls:
            options |= {"tls_context": tls, "require_starttls": True}
        if login:
            options |= {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": not smtps}
            self._login = login
        self._controller = _Controller(self, **options)
        self._controller.start()
        # The controller knocks at its own door.
        self.connections = 0
        scheme = "smtps" if smtps else "smtp+starttls" if tls else "smtp"
        self.url = f"{scheme}://{login + '@' if login else ''}127.0.0.1:{self.port}"
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def restart(self, port: int) -> None:
        """Listen again where it did, without TLS."""
        self._controller = _Controller(self, hostname="127.0.0.1", port=port, ident="test relay")
        self._controller.start()
        self.port = port

    @property
    def texts(self) -> list[str]:
        bodies = [mail.get_body(preferencelist=("plain",)) for mail in self.mails]
        return [body.get_content().replace("\r\n", "\n") for body in bodies if body is not None]

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        self.commands.append("MAIL")
        envelope.mail_from = address
        return self.mail_answer or "250 ok"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        self.commands.append("RCPT")
        answer = _next(self.rcpt_answers)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.commands.append("DATA")
        await asyncio.sleep(self.delay)
        answer = _next(self.data_answers)
        if answer.startswith("2"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, _class=EmailMessage, policy=policy.default)  # type: ignore[arg-type]
            self.mails.append(mail)
            self.contents.append(envelope.content)
            self.recipients.append(list(envelope.rcpt_tos))
            self.senders.append(envelope.mail_from or "")
            self.secured.append(server.transport.get_extra_info("sslcontext") is not None)
            self.on_mail()
        if self.drop_after_data:
            self.drop_after_data -= 1
            server.transport.abort()  # type: ignore[union-attr]
        return answer

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, auth_data: Any) -> AuthResult:
        assert isinstance(auth_data, LoginPassword)
        good = f"{auth_data.login.decode()}:{auth_data.password.decode()}" == self._login
        self.logins.append((mechanism, good))
        return AuthResult(success=good, handled=False)


class _Controller(Controller):
    def factory(self) -> SMTP:
        self.handler.connections += 1
        return super().factory()


def _next(answers: list[str]) -> str:
    return answers.pop(0) if len(answers) > 1 else answers[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_certificates(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return the file of a certificate authority of our own, and a server context with a certificate of 127.0.0.1."""
    now = datetime.datetime.now(datetime.UTC)
    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def certificate(name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            issuer_name=_name("test authority"),
            subject_name=_name(name),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(days=1),
            not_valid_after=now + datetime.timedelta(days=1),
        ).add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        builder = builder.add_extension(alternative, critical=False).add_extension(signed_by, critical=False)
        identity = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return builder.add_extension(identity, critical=False).sign(authority, hashes.SHA256())

    authority_file, chain = folder / "authority.pem", folder / "server.pem"
    authority_file.write_bytes(_pem(certificate("test authority", authority, is_authority=True)))
    private = server.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(private + _pem(certificate("127.0.0.1", server, is_authority=False)))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    return authority_file, context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)

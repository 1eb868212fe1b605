"""The optional DKIM signature: what arrives verifies, nothing can be changed or added, a bad key stops the start."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from flask import Flask

from idp.messages.dkim_signature import DkimFault, open_signer
from idp.messages.smtp import SmtpSender
from idp.settings import SmtpSettings
from tests.messages.conftest import letter
from tests.messages.relay import Relay


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def arrived(app: Flask, open_relay: Callable[..., Relay], configure: Any, key: rsa.RSAPrivateKey) -> bytes:
    """Return the bytes of one signed mail as a relay got them."""
    relay = open_relay()
    settings = configure(smtp_url=relay.url, smtp={"dkim_selector": "sesame", "dkim_key": pem(key)})

    async def work() -> None:
        sender = SmtpSender(settings)
        try:
            answer = await sender.send(letter(text="Accès : é\n.\n\nFin  \n", html="<p>Accès</p>"))
            assert answer.outcome == "accepted"
        finally:
            await sender.close()

    with app.app_context():
        asyncio.run(work())
    return relay.contents[0]


def verifies(raw: bytes, key: rsa.RSAPrivateKey) -> bool:
    public = base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def record(name: bytes, timeout: int = 5) -> bytes | None:
        return b"v=DKIM1; k=rsa; p=" + public if name == b"sesame._domainkey.connexion.example.fr." else None

    return bool(dkim.verify(raw, dnsfunc=record))


def test_what_arrives_verifies(arrived: bytes, key: rsa.RSAPrivateKey) -> None:
    assert arrived.startswith(b"DKIM-Signature:")
    assert b" l=" not in arrived.partition(b"\r\nFrom:")[0]
    assert verifies(arrived, key)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Fin", b"fin"),
        (b"\r\nFrom: ", b"\r\nFrom: x@evil.example\r\nFrom: "),
        (b"\r\nSubject: ", b"\r\nSubject: autre\r\nSubject: "),
        (b"\r\nTo: ", b"\r\nReply-To: x@evil.example\r\nTo: "),
        (b"\r\nTo: ", b"\r\nCc: x@evil.example\r\nTo: "),
    ],
)
def test_nothing_can_be_changed_or_added(arrived: bytes, key: rsa.RSAPrivateKey, old: bytes, new: bytes) -> None:
    forged = arrived.replace(old, new, 1)

    assert forged != arrived
    assert not verifies(forged, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(65537, 1024)),
    ],
    ids=["none", "rubbish", "elliptic", "short"],
)
def test_a_key_that_cannot_sign_stops_the_start(text: str) -> None:
    with pytest.raises(DkimFault, match="dkim_key"):
        open_signer(SmtpSettings(dkim_selector="sesame", dkim_key=text))  # type: ignore[arg-type]


def test_without_a_selector_nothing_is_signed() -> None:
    assert open_signer(SmtpSettings()) is None

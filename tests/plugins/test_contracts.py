"""What is built in keeps the contracts that plug-ins keep; and the contracts notice those who do not."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from idp.accounts.ldap import LdapDirectory
from idp.accounts.outside import Directory, Person
from idp.messages.smpp import SmppSender
from idp.messages.smtp import SmtpSender
from idp.messages.transport import Answer, Letter, Sender
from idp.mfa.second_factor import TEXTS, Bearer
from idp.plugins.contract_directory import DirectoryContract, Known
from idp.plugins.contract_second_factor import SecondFactorContract
from idp.plugins.contract_transport import SenderContract
from idp.settings import Settings
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, example_settings
from tests.messages.relay import Relay, free_port, make_certificates
from tests.messages.smsc import Smsc
from tests.slapd import Slapd, ldap_settings

BOB = Known("299132A999003", "another-horse-7-staple")
EVE = Known("1501299999010", "somebody-who-left-5")


def settings_with(**changes: Any) -> Settings:
    return Settings.model_validate(example_settings(**changes))


class TestLdap(DirectoryContract):
    @pytest.fixture
    def open_it(self, slapd: Slapd) -> Iterator[Callable[..., Directory]]:
        slapd.add_person("alice", ALICE_NIR, ALICE_PASSWORD, mail="alice@example.fr", mobile="0612345647")
        slapd.add_person("bob", BOB.nir, BOB.password)
        slapd.add_person("eve", EVE.nir, EVE.password, employeeType="left")
        opened: list[LdapDirectory] = []

        def make(**changes: Any) -> Directory:
            everybody = "(&(objectClass=person)(!(employeeType=left)))"
            ldap = ldap_settings(slapd, **{"filter": everybody, "connections": 8, "timeout": 5, **changes})
            opened.append(LdapDirectory(settings_with(directory="ldap", ldap=ldap)))
            return opened[-1]

        yield make
        for one in opened:
            one.close()

    @pytest.fixture
    def directory(self, open_it: Callable[..., Directory]) -> Directory:
        return open_it()

    @pytest.fixture
    def somebody(self) -> Known:
        return Known(ALICE_NIR, ALICE_PASSWORD)

    @pytest.fixture
    def other(self) -> Known:
        return BOB

    @pytest.fixture
    def disabled(self) -> Known:
        return EVE

    @pytest.fixture
    def away(self, open_it: Callable[..., Directory]) -> Iterator[Directory]:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            yield open_it(urls=[f"ldaps://127.0.0.1:{nobody.getsockname()[1]}"])


class TestSmtp(SenderContract):
    to, text, subject = "alice@example.fr", "Votre code : 482915", "Votre code"

    @pytest.fixture
    def relay(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Relay, Path]]:
        ca_file, tls = make_certificates(tmp_path)
        monkeypatch.setattr(logging.getLogger("mail.log"), "level", logging.WARNING)
        relay = Relay().start(tls=tls)
        yield relay, ca_file
        relay.stop()

    @pytest.fixture
    def make(self, relay: tuple[Relay, Path]) -> Callable[[], Sender]:
        return lambda: SmtpSender(settings_with(smtp_url=relay[0].url, smtp={"ca_file": relay[1]}))

    @pytest.fixture
    def make_broken(self) -> Callable[[], Sender]:
        return lambda: SmtpSender(settings_with(smtp_url=f"smtp://127.0.0.1:{free_port()}", smtp={"timeout": 2}))

    @pytest.fixture
    def arrived(self, relay: tuple[Relay, Path]) -> Callable[[], list[str]]:
        return lambda: relay[0].texts


class TestSmpp(SenderContract):
    @pytest.fixture
    def smsc(self) -> Iterator[Smsc]:
        smsc = Smsc().start()
        yield smsc
        smsc.stop()

    @pytest.fixture
    def make(self, smsc: Smsc) -> Callable[[], Sender]:
        return lambda: SmppSender(settings_with(sms=_smpp(smsc.port)))

    @pytest.fixture
    def make_broken(self) -> Callable[[], Sender]:
        return lambda: SmppSender(settings_with(sms=_smpp(free_port())))

    @pytest.fixture
    def arrived(self, smsc: Smsc) -> Callable[[], list[str]]:
        return lambda: [text.octets.decode() for text in smsc.texts]


def _smpp(port: int) -> dict[str, Any]:
    return {"transport": "smpp", "smpp_url": f"smpp://test:test@127.0.0.1:{port}", "timeout": 2}


class _Careless:
    """A directory with a fault that a contract must find; ``fault`` says which."""

    def __init__(self, fault: str) -> None:
        self.fault, self.keeps = fault, frozenset()

    def authenticate(self, nir: str, password: str) -> Person | None:
        right = {ALICE_NIR: ALICE_PASSWORD, BOB.nir: BOB.password}
        if self.fault == "anybody" or right.get(nir) == password:
            return Person(BOB.nir if self.fault == "another" else nir, email="x@y.fr")
        if self.fault == "quick" and nir in right:
            asyncio.run(asyncio.sleep(0.02))
        if self.fault == "talks":
            print(nir, password)
        return None

    def find(self, nir: str) -> Person | None:
        return Person(nir, email="x@y.fr")

    def close(self) -> None:
        """Nothing to close."""


ALICE = Known(ALICE_NIR, ALICE_PASSWORD)


@pytest.mark.parametrize(
    ("fault", "look"),
    [
        ("anybody", lambda it, c: c.test_a_wrong_password_gives_nobody(it, ALICE, BOB)),
        ("anybody", lambda it, c: c.test_an_unknown_nir_gives_nobody(it, ALICE, EVE.nir)),
        ("another", lambda it, c: c.test_the_right_password_gives_the_person_who_was_asked_for(it, ALICE, BOB)),
        ("another", lambda it, c: c.test_many_threads_ask_at_once(it, ALICE, BOB)),
        ("quick", lambda it, c: c.test_an_unknown_nir_takes_as_long_as_a_wrong_password(it, ALICE, EVE.nir)),
        ("unkept", lambda it, c: c.test_it_says_what_it_keeps_and_nothing_else(it, ALICE)),
        ("finds all", lambda it, c: c.test_an_unknown_nir_gives_nobody(it, ALICE, EVE.nir)),
    ],
)
def test_the_contract_notices_a_careless_directory(fault: str, look: Callable[..., None]) -> None:
    with pytest.raises(AssertionError):
        look(_Careless(fault), DirectoryContract())


def test_the_contract_notices_a_directory_that_talks(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AssertionError, match="in a log"):
        DirectoryContract().test_it_tells_nobody(_Careless("talks"), ALICE, capfd, caplog)


class _CarelessSender:
    lanes = 2

    def __init__(self, fault: str, arrived: list[str]) -> None:
        self.fault, self.arrived = fault, arrived

    async def send(self, letter: Letter) -> Answer:
        self.arrived.append(letter.message.text)
        if self.fault == "twice":
            self.arrived.append(letter.message.text)
        if self.fault == "blocks":
            __import__("time").sleep(0.4)
        if self.fault == "raises":
            raise ConnectionError("the network is down")
        return Answer("accepted", "accepted", relay=letter.to if self.fault == "tells" else "x")

    def listen(self, told: object) -> None: ...
    async def close_idle(self) -> None: ...
    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("fault", "look"),
    [
        ("twice", lambda make, arrived, c: c.test_a_message_arrives_once(make, lambda: arrived)),
        ("blocks", lambda make, arrived, c: c.test_it_holds_nobody_up(make)),
        ("tells", lambda make, arrived, c: c.test_an_answer_is_made_of_our_words(make)),
        ("raises", lambda make, arrived, c: c.test_what_the_network_does_wrong_is_an_answer_not_an_exception(make)),
    ],
)
def test_the_contract_notices_a_careless_sender(fault: str, look: Callable[..., None]) -> None:
    arrived: list[str] = []

    with pytest.raises((AssertionError, ConnectionError)):
        look(lambda: _CarelessSender(fault, arrived), arrived, SenderContract())


class _CarelessFactor:
    acr, amr = "urn:sesame:acr:mfa", ("pwd", "otp", "mfa")

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def texts(self, locale: str) -> dict[str, str]:
        return dict.fromkeys(TEXTS, "<b>" if self.fault == "markup" else "text")

    def is_enrolled(self, bearer: Bearer) -> bool:
        if self.fault == "slow":
            __import__("time").sleep(0.01)
        return self.fault == "everybody" or bearer.account_id != "eve"

    def check(self, bearer: Bearer, typed: str, *, now: datetime) -> bool:
        if self.fault == "prefix":
            return bool(typed) and "482915".startswith(typed)
        if self.fault == "raises":
            return int(typed) == 482915
        return typed == "482915"


def _right(bearer: Bearer, now: datetime) -> str:
    return "482915"


_A, _B, _E = Bearer("alice", ALICE_NIR), Bearer("bob", BOB.nir), Bearer("eve", EVE.nir)


@pytest.mark.parametrize(
    ("fault", "look"),
    [
        ("everybody", lambda it, c: c.test_it_knows_who_has_one(it, _A, _B, _E)),
        ("slow", lambda it, c: c.test_it_says_so_at_once(it, _A, _E)),
        ("markup", lambda it, c: c.test_its_texts_fit_their_places(it)),
        ("prefix", lambda it, c: c.test_anything_else_is_wrong_and_no_exception(it, _A, _right)),
        ("raises", lambda it, c: c.test_anything_else_is_wrong_and_no_exception(it, _A, _right)),
        ("everybodys", lambda it, c: c.test_one_persons_is_nobody_elses(it, _A, _B, _E, _right)),
        ("for ever", lambda it, c: c.test_what_was_right_is_not_right_for_ever(it, _A, _right)),
    ],
)
def test_the_contract_notices_a_careless_factor(fault: str, look: Callable[..., None]) -> None:
    with pytest.raises((AssertionError, ValueError)):
        look(_CarelessFactor(fault), SecondFactorContract())

"""An LDAP directory as first factor, asked of a real OpenLDAP."""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from idp.accounts.ldap import LdapDirectory, parse_moment
from idp.accounts.outside import DirectoryAway
from idp.settings import Settings
from tests.conftest import ALICE_EMAIL, ALICE_NIR, ALICE_PASSWORD, example_key, example_settings
from tests.slapd import BASE, PEOPLE, Slapd, hashed, ldap_settings

OTHER_NIR = "299132A999003"


@pytest.fixture
def opened(slapd: Slapd) -> Iterator[Callable[..., LdapDirectory]]:
    """Return an act that opens the directory with changed settings."""
    directories = []

    def open_it(**changes: Any) -> LdapDirectory:
        settings = example_settings(directory="ldap", ldap=ldap_settings(slapd, **changes))
        directories.append(LdapDirectory(Settings.model_validate(settings)))
        return directories[-1]

    yield open_it
    for directory in directories:
        directory.close()


@pytest.fixture
def alice_there(slapd: Slapd) -> str:
    return slapd.add_person("alice", ALICE_NIR, ALICE_PASSWORD, mail=ALICE_EMAIL, mobile="06 12 34 56 47")


@pytest.mark.parametrize("way", ["ldaps_url", "starttls_url", "url"])
def test_the_right_password_finds_the_person(
    slapd: Slapd, opened: Callable[..., LdapDirectory], alice_there: str, way: str
) -> None:
    directory = opened(urls=[getattr(slapd, way)])

    person = directory.authenticate(ALICE_NIR, ALICE_PASSWORD)

    assert person is not None
    assert (person.nir, person.email, person.mobile) == (ALICE_NIR, ALICE_EMAIL, "06 12 34 56 47")
    assert person.claims == {"name": "Alice Martin", "family_name": "Martin"}
    assert directory.keeps == {"email", "mobile", "profile"}


def test_a_wrong_password_and_an_unknown_nir_are_the_same_operations_r8(
    slapd: Slapd, opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    slapd.add_person("twin1", "1501299999010", ALICE_PASSWORD)
    slapd.add_person("twin2", "1501299999010", ALICE_PASSWORD)
    slapd.add_person("nopassword", "1501299999011", None)
    directory = opened()
    assert directory.authenticate(ALICE_NIR, ALICE_PASSWORD) is not None
    seen = {}

    for name, nir, password in (
        ("wrong", ALICE_NIR, "not-her-password-1"),
        ("unknown", OTHER_NIR, ALICE_PASSWORD),
        ("ambiguous", "1501299999010", ALICE_PASSWORD),
        ("without password", "1501299999011", ALICE_PASSWORD),
    ):
        mark = slapd.mark()
        assert directory.authenticate(nir, password) is None, name
        seen[name] = slapd.asked(mark)

    for name, asked in seen.items():
        kinds = [one for one in asked if one in {"SRCH", "BIND"}]
        assert kinds == ["SRCH", "BIND"], (name, asked)
    assert seen["wrong"] == seen["unknown"], seen


def test_somebody_whom_the_filter_leaves_out_is_unknown(
    slapd: Slapd, opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    slapd.change(alice_there, employeeType="left")
    directory = opened(filter="(&(objectClass=person)(!(employeeType=left)))")

    assert directory.authenticate(ALICE_NIR, ALICE_PASSWORD) is None
    assert directory.find(ALICE_NIR) is None

    slapd.change(alice_there, employeeType=None)
    assert directory.authenticate(ALICE_NIR, ALICE_PASSWORD) is not None


@pytest.mark.parametrize(
    "typed",
    [
        "*",
        "1991399999*",
        f"{ALICE_NIR})(|(uid=*",
        "*)(uid=*))(|(uid=*",
        "\0",
        f"{ALICE_NIR}\0",
        "1 99 13 99 999 001",
        "",
    ],
)
def test_what_is_not_a_canonical_nir_never_reaches_a_filter(
    opened: Callable[..., LdapDirectory], alice_there: str, typed: str
) -> None:
    directory = opened()

    with pytest.raises(Exception, match=r"canonical|empty|chars|length"):
        directory.authenticate(typed, ALICE_PASSWORD)


def test_a_filter_says_what_it_was_told_and_no_more(opened: Callable[..., LdapDirectory]) -> None:
    assert opened().filter_of(ALICE_NIR) == f"(&(objectClass=person)(employeeNumber={ALICE_NIR}))"
    assert opened(nir_form="15").filter_of(ALICE_NIR).endswith(f"={ALICE_NIR}08))")
    keyed = opened(nir_form="keyed", nir_key=example_key("nir")).filter_of(ALICE_NIR)
    assert ALICE_NIR not in keyed
    assert len(keyed.rpartition("=")[2]) == 64 + 2


def test_the_nir_may_be_kept_as_a_keyed_hash(slapd: Slapd, opened: Callable[..., LdapDirectory]) -> None:
    directory = opened(nir_form="keyed", nir_key=example_key("nir"))
    digest = directory.filter_of(ALICE_NIR).rpartition("=")[2].rstrip(")")
    slapd.add_person("alice", digest, ALICE_PASSWORD)

    assert directory.authenticate(ALICE_NIR, ALICE_PASSWORD) is not None
    assert directory.authenticate(OTHER_NIR, ALICE_PASSWORD) is None


def test_a_bind_without_password_or_name_is_never_sent_rfc_4513(
    opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    """RFC 4513 §5.1.2: servers answer "success" to a name without a password."""
    with pytest.raises(ValueError, match="name and a password"):
        opened().authenticate(ALICE_NIR, "")


def test_a_service_account_that_is_refused_is_an_absent_directory(
    opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    with pytest.raises(DirectoryAway):
        opened(bind_password="not this one").authenticate(ALICE_NIR, ALICE_PASSWORD)


def test_a_base_that_is_not_there_is_an_absent_directory_not_an_unknown_person(
    opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    with pytest.raises(DirectoryAway, match="noSuchObject"):
        opened(base=f"ou=elsewhere,{BASE}").authenticate(ALICE_NIR, ALICE_PASSWORD)


def test_a_certificate_of_a_stranger_is_refused(
    opened: Callable[..., LdapDirectory], alice_there: str, slapd: Slapd, tmp_path: Path
) -> None:
    from tests.strangers import Authority

    for url in (slapd.ldaps_url, slapd.starttls_url):
        with pytest.raises(DirectoryAway):
            opened(urls=[url], ca_file=Authority(tmp_path).ca_file).authenticate(ALICE_NIR, ALICE_PASSWORD)


def test_a_certificate_for_another_name_is_refused(
    opened: Callable[..., LdapDirectory], alice_there: str, slapd: Slapd
) -> None:
    """127.0.0.2 is the same server under a name that is not in its certificate."""
    forward = _Forward(("127.0.0.2", 0), slapd.tls_port)
    try:
        with pytest.raises(DirectoryAway):
            opened(urls=[f"ldaps://127.0.0.2:{forward.port}"]).authenticate(ALICE_NIR, ALICE_PASSWORD)
        forwarded_to_the_right_name = _Forward(("127.0.0.1", 0), slapd.tls_port)
        try:
            right = opened(urls=[f"ldaps://127.0.0.1:{forwarded_to_the_right_name.port}"])
            assert right.authenticate(ALICE_NIR, ALICE_PASSWORD) is not None
        finally:
            right.close()
            forwarded_to_the_right_name.stop()
    finally:
        forward.stop()


def test_a_server_that_is_down_gives_way_to_the_next(
    slapd: Slapd, opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"ldaps://127.0.0.1:{probe.getsockname()[1]}"
        directory = opened(urls=[dead, slapd.ldaps_url])

        assert directory.authenticate(ALICE_NIR, ALICE_PASSWORD) is not None
        assert directory._pool._preferred == 1


def test_a_server_that_went_and_came_back_is_asked_again(
    slapd: Slapd, opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    directory = opened()
    assert directory.authenticate(ALICE_NIR, ALICE_PASSWORD) is not None

    slapd.stop()
    try:
        with pytest.raises(DirectoryAway):
            directory.authenticate(ALICE_NIR, ALICE_PASSWORD)
    finally:
        slapd.start()

    assert directory.authenticate(ALICE_NIR, ALICE_PASSWORD) is not None
    slapd.stop()
    slapd.start()
    # The idle connection is dead; nobody notices.
    assert directory.authenticate(ALICE_NIR, "not-her-password-1") is None


def test_a_server_that_says_nothing_is_waited_for_within_bounds(
    slapd: Slapd, opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    import time

    directory = opened()
    assert directory.authenticate(ALICE_NIR, ALICE_PASSWORD) is not None

    slapd.freeze()
    try:
        began = time.monotonic()
        with pytest.raises(DirectoryAway):
            directory.authenticate(ALICE_NIR, ALICE_PASSWORD)
        took = time.monotonic() - began
    finally:
        slapd.thaw()

    # A second for the idle connection, a second for a new one.
    assert took < 4


def test_no_more_connections_than_were_allowed(
    slapd: Slapd, opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    directory = opened(connections=2, timeout=5)
    found: list[object] = []

    def sign_in() -> None:
        found.append(directory.authenticate(ALICE_NIR, ALICE_PASSWORD))

    mark = slapd.mark()
    threads = [threading.Thread(target=sign_in) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    accepted = slapd.log.read_text(errors="replace")[mark:].count("ACCEPT from")
    assert len(found) == 12
    assert all(found)
    assert accepted <= 4, "two lanes of two connections"


def test_many_at_once_are_never_answered_with_another_person(
    slapd: Slapd, opened: Callable[..., LdapDirectory]
) -> None:
    people = {f"15012999990{number:02d}": f"password-number-{number}" for number in range(20, 28)}
    for nir, password in people.items():
        slapd.add_person(f"p{nir}", nir, password, mail=f"p{nir[-2:]}@example.fr")
    directory = opened(connections=4, timeout=10)
    wrong: list[str] = []

    def sign_in(nir: str, password: str) -> None:
        for other in people:
            person = directory.authenticate(other, password)
            if (person is not None) != (other == nir) or (person and person.email != f"p{other[-2:]}@example.fr"):
                wrong.append(f"{other} with the password of {nir}")

    threads = [threading.Thread(target=sign_in, args=both) for both in people.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_referral_is_not_followed(slapd: Slapd, opened: Callable[..., LdapDirectory], alice_there: str) -> None:
    elsewhere = socket.create_server(("127.0.0.1", 0))
    elsewhere.settimeout(0.5)
    slapd.add(
        f"ou=elsewhere,{PEOPLE}",
        ["referral", "extensibleObject"],
        ref=f"ldap://127.0.0.1:{elsewhere.getsockname()[1]}/ou=x,{BASE}",
    )
    try:
        assert opened().authenticate(ALICE_NIR, ALICE_PASSWORD) is not None
        with pytest.raises(TimeoutError):
            elsewhere.accept()
    finally:
        elsewhere.close()
        _delete_referral(slapd)


def test_when_the_password_was_changed_is_read(
    slapd: Slapd, opened: Callable[..., LdapDirectory], alice_there: str
) -> None:
    directory = opened(attributes={"password_changed": "pwdChangedTime"})
    slapd.change(alice_there, userPassword=hashed("another-long-password-3"))

    person = directory.authenticate(ALICE_NIR, "another-long-password-3")

    assert directory.keeps == {"password-age"}
    assert person is not None
    assert person.password_changed_at is not None
    assert datetime.now(UTC) - person.password_changed_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20261124201500Z", datetime(2026, 11, 24, 20, 15, tzinfo=UTC)),
        ("20261124201500.123Z", datetime(2026, 11, 24, 20, 15, tzinfo=UTC)),
        ("134084889000000000", datetime(2025, 11, 24, 20, 15, tzinfo=UTC)),
        ("0", None),
        ("9223372036854775807", None),
        ("20261399000000Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_moments_of_both_kinds_of_directory(text: str, moment: datetime | None) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"urls": ["ldap://directory.example.fr"]}, "in the clear"),
        ({"urls": ["ldaps://a b"]}, "is not ldaps://"),
        ({"urls": []}, "needs ldap.urls"),
        ({"nir_attribute": "uid=*)(x"}, "letters, digits"),
        ({"nir_form": "keyed"}, "32 bytes"),
        ({"attributes": {"mail": "mail"}}, "nothing here is called mail"),
        ({"attributes": {"email": "a)(b"}}, "letters, digits"),
        ({"filter": "(objectClass=person"}, "no filter"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(slapd: Slapd, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LdapDirectory(Settings.model_validate(example_settings(directory="ldap", ldap=ldap_settings(slapd, **changes))))


def _delete_referral(slapd: Slapd) -> None:
    with slapd.root() as root:
        controls = [("2.16.840.1.113730.3.4.2", True, None)]  # ManageDsaIT (RFC 3296)
        assert root.delete(f"ou=elsewhere,{PEOPLE}", controls=controls), root.result


class _Forward:
    """Carries connections to a port of 127.0.0.1."""

    def __init__(self, address: tuple[str, int], port: int) -> None:
        self._listener = socket.create_server(address)
        self.port = int(self._listener.getsockname()[1])
        self._target = port
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._start(self._accept)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, act: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=act, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                ours, _address = self._listener.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [ours, theirs]
            self._start(self._carry, ours, theirs)
            self._start(self._carry, theirs, ours)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

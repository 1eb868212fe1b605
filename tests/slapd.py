"""A real OpenLDAP of the tests' own: loopback, free ports, a folder that goes away, a record of what it did."""

import base64
import hashlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ldap3 import MODIFY_DELETE, MODIFY_REPLACE, NONE, Connection, Server

from tests.strangers import Authority

PROGRAM = "/usr/sbin/slapd"
BASE = "dc=caf,dc=test"
PEOPLE = f"ou=people,{BASE}"
ROOT, ROOT_PASSWORD = f"cn=root,{BASE}", "root-secret-of-the-test"
SERVICE, SERVICE_PASSWORD = f"cn=sesame,{BASE}", "service-secret-of-the-test"
DECOY = f"cn=decoy,{BASE}"
_OPERATION = re.compile(r"op=\d+ (?:(SRCH) base|(BIND) dn=.* method=|(?:SEARCH )?(RESULT .*err=\d+))")
_CONFIG = """
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
{schemas}
pidfile {folder}/slapd.pid
TLSCACertificateFile {ca}
TLSCertificateFile {chain}
TLSCertificateKeyFile {chain}
disallow bind_anon
database mdb
suffix "{base}"
rootdn "{root}"
rootpw {root_password}
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by * none
overlay ppolicy
"""


class Slapd:
    """The server; ``people`` are added, changed and removed while it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder, Authority(folder)
        self.port, self.tls_port = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir()
        names = ("core", "cosine", "inetorgperson")
        schemas = "\n".join(f"include /etc/ldap/schema/{name}.schema" for name in names)
        (folder / "slapd.conf").write_text(
            _CONFIG.format(
                schemas=schemas, folder=folder, ca=self.authority.ca_file, chain=self.authority.chain_file, base=BASE,
                root=ROOT, root_password=ROOT_PASSWORD, service=SERVICE,
            )
        )  # fmt: skip
        self.log = folder / "slapd.log"

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def starttls_url(self) -> str:
        return f"ldap+starttls://127.0.0.1:{self.port}"

    @property
    def ldaps_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        listen = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        with self.log.open("ab") as log:
            # -d stats: in the foreground, each operation on a line.
            self._process = subprocess.Popen(
                [PROGRAM, "-f", self.folder / "slapd.conf", "-h", listen, "-d", "256"], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(self.log.read_text(errors="replace")) from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop; what was added is still there after the next start."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def freeze(self) -> None:
        """Let it accept connections and answer nothing."""
        assert self._process is not None
        os.kill(self._process.pid, 19)

    def thaw(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        os.kill(self._process.pid, 18)

    def fill(self) -> None:
        """Add the tree, the service account and the decoy."""
        self.add(BASE, ["dcObject", "organization"], o="Caf")
        self.add(PEOPLE, ["organizationalUnit"])
        self.add(SERVICE, ["person"], sn="sesame", userPassword=hashed(SERVICE_PASSWORD))
        self.add(DECOY, ["person"], sn="decoy", userPassword=hashed("nobody knows this"))

    def add(self, dn: str, classes: list[str], **attributes: Any) -> None:
        with self.root() as connection:
            assert connection.add(dn, classes, attributes), connection.result

    def add_person(self, uid: str, nir: str, password: str | None, **attributes: Any) -> str:
        """Add somebody; return the entry's name."""
        dn = f"uid={uid},{PEOPLE}"
        about: dict[str, Any] = {"cn": "Alice Martin", "sn": "Martin", "employeeNumber": nir, **attributes}
        if password is not None:
            about["userPassword"] = hashed(password)
        self.add(dn, ["inetOrgPerson"], **about)
        return dn

    def change(self, dn: str, **attributes: Any) -> None:
        """Replace attributes; ``None`` removes one."""
        changes = {
            name: [(MODIFY_DELETE, [])] if value is None else [(MODIFY_REPLACE, [value])]
            for name, value in attributes.items()
        }
        with self.root() as connection:
            assert connection.modify(dn, changes), connection.result

    def clear(self) -> None:
        """Remove all people."""
        with self.root() as connection:
            connection.search(PEOPLE, "(objectClass=inetOrgPerson)")
            for dn in [entry["dn"] for entry in connection.response]:
                assert connection.delete(dn), connection.result

    def asked(self, since: int = 0) -> list[str]:
        """Return the operations since a mark, as `BIND`, `SRCH` and their results."""
        lines = self.log.read_text(errors="replace")[since:].splitlines()
        found = [
            re.search(r"op=\d+ (?:(SRCH) base|(BIND) dn=.* method=|(?:SEARCH )?(RESULT .*err=\d+))", x) for x in lines
        ]
        return [one[1] or one[2] or one[3] for one in found if one]

    def mark(self) -> int:
        """Return a mark for `asked`."""
        return len(self.log.read_text(errors="replace"))

    @contextmanager
    def root(self) -> Iterator[Connection]:
        """Return a connection that may do everything."""
        connection = Connection(Server(self.url, get_info=NONE), ROOT, ROOT_PASSWORD, auto_bind=True, check_names=False)
        try:
            yield connection
        finally:
            connection.unbind()


def ldap_settings(slapd: Slapd, **changes: Any) -> dict[str, Any]:
    """Return the settings with which the provider asks it."""
    return {
        "urls": [slapd.ldaps_url],
        "ca_file": slapd.authority.ca_file,
        "bind_dn": SERVICE,
        "bind_password": SERVICE_PASSWORD,
        "base": PEOPLE,
        "nir_attribute": "employeeNumber",
        "decoy_dn": DECOY,
        "connections": 2,
        "connect_timeout": 1,
        "timeout": 1,
        **changes,
    }


def hashed(password: str) -> str:
    """Return a password as the directory keeps it: {SSHA}."""
    salt = os.urandom(8)
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Debian's Apache with mod_auth_openidc on a free loopback port, configured as `/docs` tells its readers to."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

APACHE = Path("/usr/sbin/apache2")
MODULES = Path("/usr/lib/apache2/modules")
_LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "dir", "mime", "include", "auth_openidc")
_START_WITHIN = 20.0
# What stands around a site, and the least that a site can be: one page that shows what the module says of the visitor.
_FRAME = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
LogLevel warn auth_openidc:info
{modules}
{user}
TypesConfig /dev/null
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
DocumentRoot {folder}/site
DirectoryIndex index.shtml
<Directory {folder}/site>
    Options +Includes
</Directory>
{site}
"""
_PAGE = """<!doctype html><title>Protected</title>
<p id="user"><!--#echo var="REMOTE_USER" --></p>
<p id="given-name"><!--#echo var="OIDC_CLAIM_given_name" --></p>
<p id="acr"><!--#echo var="OIDC_CLAIM_acr" --></p>
"""


def is_there() -> bool:
    """Tell whether the two Debian packages are installed."""
    return APACHE.exists() and (MODULES / "mod_auth_openidc.so").exists()


@contextmanager
def apache(site: str, *, port: int, secrets: dict[str, str]) -> Iterator[str]:
    """Run Apache until the block ends; ``secrets`` are in its environment, as the example wants them."""
    with tempfile.TemporaryDirectory(prefix="sesame-apache-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _write_site(folder)
        (folder / "apache.conf").write_text(
            _FRAME.format(
                folder=folder,
                port=port,
                modules="\n".join(f"LoadModule {one}_module {MODULES}/mod_{one}.so" for one in _LOADED),
                # Started as root, it serves as Debian's user for that; else as whoever starts it.
                user="User www-data\nGroup www-data" if os.getuid() == 0 else "",
                site=site,
            )
        )
        command = [APACHE, "-f", folder / "apache.conf", "-D", "FOREGROUND"]
        with (folder / "said.log").open("wb") as said:
            process = subprocess.Popen(command, env={**os.environ, **secrets}, stdout=said, stderr=said)
        try:
            _wait(process, port, folder)
            yield f"http://localhost:{port}"
        except BaseException:
            print(_logs(folder))
            raise
        finally:
            process.terminate()
            process.wait(timeout=20)


def _write_site(folder: Path) -> None:
    for place in (folder / "site", folder / "site" / "left"):
        place.mkdir()
    (folder / "site" / "index.shtml").write_text(_PAGE)
    (folder / "site" / "left" / "index.shtml").write_text('<!doctype html><title>Left</title><p id="left">Goodbye.')


def _wait(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    deadline = time.monotonic() + _START_WITHIN
    with requests.Session() as session:
        session.trust_env = False
        while True:
            assert process.poll() is None, f"Apache does not start:\n{_logs(folder)}"
            try:
                session.get(f"http://127.0.0.1:{port}/left/", timeout=2, allow_redirects=False)
                return
            except requests.ConnectionError:
                assert time.monotonic() < deadline, _logs(folder)
                time.sleep(0.1)


def _logs(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace")[-8000:] for path in sorted(folder.glob("*.log")))

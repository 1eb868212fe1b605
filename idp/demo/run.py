"""Starts and stops the demonstration: mailbox in this process, provider and relying party in processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Final

from idp import create_app
from idp.demo import place, seed
from idp.demo.place import Addresses
from idp.settings import SettingsFault, load_settings

RELYING_PARTY: Final = Path(__file__).parents[2] / "examples" / "rp-flask" / "app.py"
_CHILD: Final = Path(__file__).with_name("child.py")
_START_WITHIN: Final = 60.0
_STOP_WITHIN: Final = 15.0


class CannotStart(Exception):
    """The demonstration cannot run; the message says why and what to do."""


def main(folder: str = "var", *, addresses: Addresses | None = None) -> None:
    """Run the demonstration until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _run(Path(folder), addresses or Addresses())
    except KeyboardInterrupt:
        print("\nStopped.")
    except SettingsFault as fault:
        sys.exit("\n".join(f"idp demo: {line}" for line in fault.faults))
    except CannotStart as fault:
        sys.exit(f"idp demo: {fault}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # A second signal, while everything is being stopped, changes nothing.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(folder: Path, addresses: Addresses) -> None:
    _check_packages()
    _check_ports(addresses)
    from idp.demo.mailbox import Mailbox

    with ExitStack() as running:
        mailbox = Mailbox(web_port=addresses.mailbox_port, system_id=place.SMSC_SYSTEM_ID, password=place.SMSC_PASSWORD)
        running.callback(mailbox.stop)
        mailbox.start()
        config = place.write_configuration(folder, addresses, smtp_port=mailbox.smtp_port, smpp_port=mailbox.smpp_port)
        environ = {**os.environ, "IDP_CONFIG": str(config)}
        children = {
            "relying-party": _start(running, folder, "relying-party", str(RELYING_PARTY), _rp_environ(addresses))
        }
        # Meanwhile, here: the provider must find its tables.
        app = create_app(load_settings(environ))
        with app.app_context():
            seed.prepare_database(addresses)
        children["provider"] = _start(running, folder, "provider", str(addresses.provider_port), environ)
        _wait_until_ready(children, folder, (f"{addresses.provider}/healthz/ready", f"{addresses.rp}/"))
        with app.app_context():
            # Last: a password that is made and then not shown, because the start failed, would be lost.
            administrator_password = seed.create_administrator()
        _welcome(folder, addresses, administrator_password)
        _watch(children, folder)


def _check_packages() -> None:
    missing = [name for name in ("aiosmtpd", "requests") if find_spec(name) is None]
    if missing:
        raise CannotStart(f"{' and '.join(missing)} not installed; pip install 'sesame-idp[demo]'")
    if not RELYING_PARTY.exists():
        raise CannotStart(f"{RELYING_PARTY} is missing; the demonstration runs from a source tree")


def _check_ports(addresses: Addresses) -> None:
    taken = [f"{port} ({part})" for part, port in addresses.ports.items() if not _is_free(port)]
    if taken:
        raise CannotStart(
            f"already in use on this machine: port {', '.join(taken)}. Is another demonstration running? "
            "Stop what listens there, then start again."
        )


def _is_free(port: int) -> bool:
    # `localhost` is ::1 first for a browser: a stranger there would get our visitors.
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.settimeout(1)
                if probe.connect_ex((host, port)) == 0:
                    return False
        except OSError:
            continue  # a machine without IPv6
    return True


def _rp_environ(addresses: Addresses) -> dict[str, str]:
    direct = ",".join(filter(None, (os.environ.get("NO_PROXY"), "localhost", "127.0.0.1")))
    return {
        **os.environ,
        "ISSUER": addresses.provider,
        "PORT": str(addresses.rp_port),
        "MAILBOX": addresses.mailbox,
        # The relying party talks to the provider on this machine, whatever proxy leads to the others.
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def _start(
    running: ExitStack, folder: Path, name: str, argument: str, environ: dict[str, str]
) -> "subprocess.Popen[bytes]":
    log = running.enter_context((folder / f"{name}.log").open("wb"))
    child = subprocess.Popen(
        [sys.executable, "-P", str(_CHILD), name, argument],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        # Ctrl-C comes to us alone; we end the children in order.
        start_new_session=True,
    )
    running.callback(_stop, child)
    return child


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin:
        child.stdin.close()


def _wait_until_ready(children: dict[str, Any], folder: Path, pages: tuple[str, ...]) -> None:
    import requests

    deadline = time.monotonic() + _START_WITHIN
    waiting = list(pages)
    with requests.Session() as session:
        session.trust_env = False  # no proxy between us and ourselves
        while waiting:
            _check_alive(children, folder)
            try:
                if session.get(waiting[0], timeout=2).ok:
                    waiting.pop(0)
                    continue
            except requests.RequestException:
                pass
            if time.monotonic() > deadline:
                raise CannotStart(f"{waiting[0]} does not answer; see the logs in {folder}/")
            time.sleep(0.1)


def _check_alive(children: dict[str, Any], folder: Path) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            log = folder / f"{name}.log"
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
            raise CannotStart(f"the {name} has ended (status {child.returncode}). End of {log}:\n{tail}")


def _watch(children: dict[str, Any], folder: Path) -> None:
    while True:
        _check_alive(children, folder)
        time.sleep(0.5)


def _welcome(folder: Path, addresses: Addresses, administrator_password: str | None) -> None:
    administrator = f"  Administrator   admin, password {administrator_password}\n" if administrator_password else ""
    print(
        f"""
  Sésame, the demonstration is ready.

  Relying party   {addresses.rp}    start here: « Se connecter »
  Mailbox         {addresses.mailbox}    the codes arrive here, by e-mail and SMS
  Provider        {addresses.provider}

  Account         NIR {seed.NIR}, password {seed.PASSWORD}
{administrator}
  Data and logs are in {folder}/ and may be deleted. Ctrl-C stops.
""",
        flush=True,
    )

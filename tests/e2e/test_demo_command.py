"""`idp demo` as a person meets it: keys of its own, clear words when it cannot start, nothing left when it stops."""

import os
import re
import signal
import socket
import stat
from pathlib import Path

import requests

from idp.demo.place import Addresses
from tests.e2e.demonstration import SETTINGS, Demonstration, free_ports, running, start, wait_until


def test_keys_are_private_to_the_user(demonstration: Demonstration) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in demonstration.folder.glob("*.toml")}

    assert modes == {"demo.toml": 0o600, "secrets.toml": 0o600}
    assert stat.S_IMODE(demonstration.folder.stat().st_mode) == 0o700


def test_second_start_keeps_keys_and_nothing_listens_after_either_end(tmp_path: Path) -> None:
    """The first is told to stop; the second is killed, and what it started ends by itself."""
    folder = tmp_path / "var"

    with running(folder, {}) as demonstration:
        first = _kept(demonstration.addresses, folder)
    for port in demonstration.addresses.ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "something listens after the end"

    addresses = Addresses(*free_ports(3))
    process = start(folder, addresses, {**os.environ, **SETTINGS})
    assert process.stdout
    assert any("Ctrl-C stops" in line for line in process.stdout), "it does not start"
    second = _kept(addresses, folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert first == second
    for port in (addresses.provider_port, addresses.rp_port):
        assert _closes(port), f"port {port} still answers"


def _kept(addresses: Addresses, folder: Path) -> tuple[str, list[str]]:
    keys = requests.get(f"{addresses.provider}/jwks.json", timeout=5).json()
    return (folder / "secrets.toml").read_text(), sorted(key["kid"] for key in keys["keys"])


def _closes(port: int) -> bool:
    def closed() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    return bool(wait_until(closed, 15, f"port {port} is not closed"))


def test_taken_port_is_named(tmp_path: Path) -> None:
    provider, rp, mailbox = free_ports(3)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", rp))
        squatter.listen()
        process = start(tmp_path / "var", Addresses(provider, rp, mailbox), dict(os.environ))
        said, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert re.search(rf"already in use on this machine: port {rp} \(relying party\)", said)
    assert "Traceback" not in said
    assert not (tmp_path / "var").exists()

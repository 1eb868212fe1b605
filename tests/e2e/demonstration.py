"""The demonstration as the tests see it: started like a person starts it, on ports that are free."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import structlog
from click.testing import CliRunner

from idp.commands import cli
from idp.demo.place import Addresses

ROOT = Path(__file__).parents[2]
START_WITHIN = 60.0
MESSAGE_WITHIN = 20.0
# Every test signs in with the one account; its limits are tested elsewhere, with a stepped clock.
SETTINGS = {
    "IDP_CODE__SENDS_PER_HOUR": "1000",
    "IDP_CODE__SENDS_PER_DAY": "1000",
    "IDP_CODE__FIRST_RESEND_AFTER": "0",
    "IDP_CODE__NEXT_RESEND_AFTER": "0",
}
_CODE = re.compile(r"(?<![\d+])\d{3}[ \u00a0\u202f]?\d{3}(?!\d)")


@dataclass(frozen=True)
class Demonstration:
    """A running demonstration: its addresses, its folder, its mailbox, its command line."""

    addresses: Addresses
    folder: Path
    environ: dict[str, str]
    # What it printed when it was ready.
    welcome: str = ""

    def messages(self) -> list[dict[str, Any]]:
        with requests.Session() as session:
            session.trust_env = False
            found: list[dict[str, Any]] = session.get(f"{self.addresses.mailbox}/messages.json", timeout=5).json()
        return found

    def newest(self) -> int:
        """Return the id of the newest message, 0 when there is none."""
        return max((message["id"] for message in self.messages()), default=0)

    def wait_for_message(self, *, after: int, channel: str) -> dict[str, Any]:
        """Return the first message of a channel that came after the one with id `after`."""

        def find() -> dict[str, Any] | None:
            came = [m for m in self.messages() if m["id"] > after and m["channel"] == channel]
            return min(came, key=lambda m: int(m["id"]), default=None)

        return wait_until(find, MESSAGE_WITHIN, f"no {channel} came")

    def command(self, *words: str) -> Any:
        """Run `idp …` on the demonstration's data and return what it says in JSON.

        In this process: a new one would import for longer than most walks take.
        """
        before = structlog.get_config()
        environ = {**self.environ, "IDP_CONFIG": str(self.folder / "demo.toml")}
        try:
            done = CliRunner(env=environ).invoke(cli, [*words, "--json"])
        finally:
            structlog.configure(**before)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


def wait_until(attempt: Callable[[], Any], seconds: float, complaint: str) -> Any:
    """Return the first true answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := attempt():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{complaint} within {seconds:.0f} s")


def code_in(message: dict[str, Any]) -> str:
    """Return the digits of the code in a message."""
    found = {re.sub(r"\D", "", code) for code in _CODE.findall(message["text"])}
    assert len(found) == 1, f"one code expected in {message['text']!r}"
    return found.pop()


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def start(folder: Path, addresses: Addresses, environ: dict[str, str]) -> "subprocess.Popen[str]":
    """Run `idp demo` on other ports than the usual ones."""
    ports = ", ".join(map(str, addresses.ports.values()))
    program = f"from idp.demo import place, run; run.main({str(folder)!r}, addresses=place.Addresses({ports}))"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def running(folder: Path, stores: dict[str, str]) -> Iterator[Demonstration]:
    """Run the demonstration until the block ends, on the given stores."""
    addresses = Addresses(*free_ports(3))
    environ = {**os.environ, **SETTINGS, **stores}
    process = start(folder, addresses, environ)
    try:
        # Its welcome is the last thing it does; the pages answer from then on.
        said = ""
        assert process.stdout
        for line in process.stdout:
            said += line
            if "Ctrl-C stops" in line:
                break
        else:
            raise AssertionError(f"the demonstration does not start:\n{said}\n{_logs(folder)}")
        yield Demonstration(addresses, folder, environ, said)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=90)


def _logs(folder: Path) -> str:
    return "\n".join(f"{path}:\n{path.read_text(errors='replace')[-3000:]}" for path in sorted(folder.glob("*.log")))

"""One node of processes as an operator starts it: `idp serve`, `idp worker`, on stores of a test's own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from idp import create_app
from idp.db import db
from idp.oidc import keys
from idp.settings import load_settings
from tests.conftest import example_key

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], Any], what: str) -> Any:
    """Return the first true answer; a loaded machine is given a minute."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


def get(url: str) -> tuple[int, str]:
    """Return status and text; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as fault:
        return fault.code, fault.read().decode()
    except OSError:
        return 0, ""


class Node:
    """Processes that share settings; every one that was started is stopped at the end."""

    def __init__(self, folder: Path, **changes: str) -> None:
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
        secrets = {f"IDP_SECRETS__{name.upper()}": example_key(name) for name in SECRETS}
        self.environ = kept | secrets | {
            "IDP_ISSUER": f"http://localhost:{self.port}",
            "IDP_DATABASE_URL": f"sqlite:///{folder}/node.db",
            "IDP_STATE_FILE": f"{folder}/state.db",
            "IDP_SECRETS__FIELD_KEYS__K1": example_key("field"),
            "IDP_SECRETS__FIELD_KEY_ID": "k1",
            "IDP_RSA_KEY_BITS": "2048",
            "IDP_OUTBOX__EMBEDDED_WORKER": "false",
            **changes,
        }  # fmt: skip
        self.processes: list[subprocess.Popen[bytes]] = []
        app = create_app(load_settings(self.environ))
        with app.app_context():
            db.create_all()
            keys.ensure_signing_keys()
            db.session.commit()
            db.engine.dispose()
        app.extensions["sesame"]["state"].store.close()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "idp.commands", *command],
            env=self.environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def serve(self, *options: str) -> "subprocess.Popen[bytes]":
        """Start the web processes and wait until they answer."""
        process = self.start("serve", "--port", str(self.port), "--drain", "0", *options)
        until(lambda: get(f"{self.url}/healthz/ready")[0] == 200 or process.poll() is not None, "the node is ready")
        return process

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(40)


SECRETS = ("pepper", "index", "subject", "code", "token")


@contextmanager
def node(folder: Path, **changes: str) -> Iterator[Node]:
    made = Node(folder, **changes)
    try:
        yield made
    finally:
        made.stop()

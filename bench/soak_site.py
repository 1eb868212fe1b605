"""Where the soak runs: two web nodes, two workers, PostgreSQL, Redis, an SMTP server and an SMS centre, all real.

The drills' site with an operator's settings: Argon2 and every policy at the product's own numbers, nothing between the
processes and their stores, and what PostgreSQL has committed is on the disk.
"""

import json
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import requests

from bench import people
from bench.soak_ledger import Arrived, Ledger
from tests.drills.site import CLIENT, ROOT, Front, Site
from tests.e2e.demonstration import code_in
from tests.messages.smsc import Text

HOME = "https://rp.example.fr/"
# Alerts of new devices come within the run, not half an hour after it.
ALERT_AFTER = 120.0
_CODE_SUBJECT = re.compile(r"\d{6}\b")
# A request's name by its method and path; the first that fits.
_STEPS = tuple(
    (method, re.compile(pattern), name)
    for method, pattern, name in (
        ("GET", r"/authorize\?", "authorization request"),
        ("GET", r"/authorize/", "authorization response"),
        ("GET", r"/signin/[^/]+/identify", "page: NIR and password"),
        ("POST", r"/signin/[^/]+/identify", "NIR and password"),
        ("GET", r"/signin/[^/]+/send", "page: where to send"),
        ("POST", r"/signin/[^/]+/(re)?send", "« Envoyer le code »"),
        ("GET", r"/signin/[^/]+/code", "page: the code"),
        ("POST", r"/signin/[^/]+/code", "the code"),
        ("GET", r"/signin/", "page: which step is due"),
        ("POST", r"/token", "token"),
        ("GET", r"/userinfo", "userinfo"),
        ("POST", r"/introspect", "introspection"),
        ("GET", r"/logout", "sign-out"),
        ("GET", r"/jwks", "keys"),
    )
)


class Times:
    """How long each request took, in seconds, by what it asked for; appending is safe from any thread."""

    def __init__(self) -> None:
        self.of: dict[str, list[float]] = defaultdict(list)
        self.statuses: dict[tuple[str, int], int] = defaultdict(int)

    def add(self, method: str, path: str, form: Any, seconds: float, status: int) -> None:
        """Count one request; ``status`` 502 when no node answered."""
        name = next((name for verb, known, name in _STEPS if verb == method and known.match(path)), f"{method} other")
        if name == "token":
            name = f"token: {'code' if form['grant_type'] == 'authorization_code' else 'refresh'}"
        self.of[name].append(seconds)
        self.statuses[name, status] += 1


class TimedFront(Front):
    """The reverse proxy, with a watch."""

    times = Times()

    def send(self, session: requests.Session, method: str, path: str, **options: Any) -> requests.Response | None:
        """Return the answer of some node, and note how long it took."""
        form, started = options.get("data"), time.perf_counter()
        answer = super().send(session, method, path, **options)
        status = 502 if answer is None else answer.status_code
        self.times.add(method, path, form, time.perf_counter() - started, status)
        return answer


class SoakSite(Site):
    """All of it."""

    settings: Mapping[str, str] = {
        "IDP_OUTBOX__EMBEDDED_WORKER": "false",
        "IDP_SMS__TRANSPORT": "smpp",
        "IDP_MESSAGES__NEW_DEVICE_DELAY": str(int(ALERT_AFTER)),
        "IDP_FLEET__WEB_NODES": "2",
        "IDP_FLEET__WORKER_PROCESSES": "2",
        "IDP_LOG_LEVEL": "warning",
        # As `idp accounts import` says, while hashes of the old system remain.
        "IDP_PASSWORDS__REFUSE_AFTER": "0.05",
        # Everybody comes from this machine.
        "IDP_THROTTLE__ADDRESS_FAILURES": "1000000",
    }
    clients = ({**CLIENT, "post_logout_redirect_uris": [HOME]},)
    postgresql_options: Mapping[str, str] = {
        "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "256MB",
    }  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ledger = Ledger()
        self.relay.on_mail = self._take_mail
        # The network says of every SMS that it was delivered.
        self.smsc.receipt = "DELIVRD"

    @property
    def environ(self) -> dict[str, str]:
        """Return what nodes and workers are told: the stores themselves."""
        return self._environ(self.postgresql.port, self.redis.port)

    @contextmanager
    def running(self, nodes: int = 2, workers: int = 2) -> Iterator["SoakSite"]:
        """Start everything, and end it whatever happened."""
        over = threading.Event()
        with super().running(nodes, workers):
            self.front = TimedFront(self.nodes, self.issuer)
            taker = threading.Thread(target=self._take_texts, args=(over,), name="texts")
            taker.start()
            try:
                yield self
            finally:
                over.set()
                taker.join()

    def take_in(self, count: int) -> None:
        """Import people with hashes of the old system, as an operator does."""
        path = self.folder / "people.csv"
        people.write(path, 0, count)
        told = json.loads(self.command("accounts", "import", str(path), "--json"))
        if told["added"] != count:
            raise RuntimeError(f"{told} of {count} people")

    def command(self, *words: str) -> str:
        """Run `idp …`; return what it prints, whatever it ends with."""
        command = [sys.executable, "-m", "idp.commands", *words]
        return subprocess.run(
            command, env=self.environ, cwd=ROOT, stdout=subprocess.PIPE, check=False, text=True
        ).stdout

    def _take_texts(self, over: threading.Event) -> None:
        taken = 0
        while not over.wait(0.1):
            for sms in self.smsc.texts[taken:]:
                self.ledger.take(read_text(sms))
                taken += 1

    def _take_mail(self) -> None:
        relay = self.relay
        self.ledger.take(read_mail(relay.mails.pop(), relay.recipients.pop()[0]))
        # Half an hour of mails is not kept a second time.
        for kept in (relay.contents, relay.senders, relay.secured, relay.commands):
            kept.clear()


def read_mail(mail: EmailMessage, to: str) -> Arrived:
    """Return what a mail says."""
    body = mail.get_body(preferencelist=("plain",))
    text = str(body.get_content()) if body is not None else ""
    is_code = _CODE_SUBJECT.match(str(mail["Subject"])) is not None
    digits = code_in({"text": text}) if is_code else ""
    return Arrived("code" if is_code else "alert", to, str(mail["Message-ID"]), digits, text, time.time())


def read_text(sms: Text) -> Arrived:
    """Return what an SMS says; a code's last line binds it to the site."""
    text = sms.octets.decode("latin-1")
    bound = re.search(r"#(\d{6})$", text.rstrip())
    return Arrived("code" if bound else "alert", f"+{sms.to}", text, bound[1] if bound else "", text, sms.at)

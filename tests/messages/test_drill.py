"""The drill: workers are killed at random moments while codes go out; what became of every single code is known.

``DRILL_SENDS`` says how many codes (200), ``DRILL_KILLS`` how many workers at most (4; `make drill-worker` 12),
``DRILL_SEED`` repeats a run.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp import clock as idp_clock
from idp.audit import AuditEvent
from idp.db import db
from idp.messages import outbox
from idp.messages.compose import compose_code
from idp.messages.models import Outbox
from idp.mfa.codes import start_challenge
from idp.settings import Settings
from tests.conftest import ISSUER, read_beside
from tests.messages.conftest import Process
from tests.messages.smsc import Smsc

SENDS = int(os.environ.get("DRILL_SENDS", "200"))
# Of these the deadline comes before any worker does.
TOO_LATE = 10
# However slow the machine: then the last worker may finish.
MOST_KILLS = int(os.environ.get("DRILL_KILLS", "4"))
LEASE = 3
WITHIN = 220.0


@dataclass
class Sent:
    code: str
    deadline: datetime


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_workers_killed_at_random_moments_lose_no_code_and_change_none_RC_16_RC_17(
    app: Flask, idp_settings: Settings, open_smsc: Any, start_process: Callable[..., Process]
) -> None:
    idp_clock.set_source(None)
    seed = int(os.environ.get("DRILL_SEED", time.time_ns() % 1_000_000))
    chance = random.Random(seed)
    smsc = open_smsc(delay=0.02, receipt="DELIVRD")
    codes = write_codes(app)

    kills = kill_until_done(app, smsc, start_process, chance)

    with app.app_context():
        rows = db.session.execute(select(Outbox.__table__.columns)).all()
        audited = Counter(db.session.scalars(select(AuditEvent.outcome).where(AuditEvent.event == "message")))
    states = Counter(row.state for row in rows)
    print(f"\nseed {seed}: {SENDS} codes, {kills} workers killed, {len(smsc.texts)} texts received, {dict(states)}")
    # Nothing is lost unnoticed: each code has arrived, or is known not to.
    assert len(rows) == SENDS
    assert set(states) <= {"accepted", "delivered", "expired"}
    texts: dict[str, list[Any]] = {}
    for text in smsc.texts:
        texts.setdefault("+" + text.to, []).append(text)
    assert len(texts) == states["accepted"] + states["delivered"]
    assert states["expired"] >= TOO_LATE
    assert audited["expired"] == states["expired"]
    # None twice with different digits, none after it died. A repeat is the same text to the last character.
    for number, received in texts.items():
        assert {text.octets for text in received} == {received[0].octets}, number
        assert codes[number].code.encode() in received[0].octets
        assert max(text.at for text in received) <= codes[number].deadline.timestamp()
    # None readable afterwards.
    assert {(row.recipient, row.content) for row in rows} == {(None, None)}
    assert_nothing_readable(idp_settings, rows, codes)
    assert kills >= 3, "the drill has killed too few workers to say anything"


def write_codes(app: Flask) -> dict[str, Sent]:
    """Write the codes of many people down, as pages do; return what each number is to get."""
    codes = {}
    with app.app_context():
        for number in range(SENDS):
            now = idp_clock.now()
            mobile = f"+3361234{number:04d}"
            deadline = now + (timedelta(milliseconds=1) if number < TOO_LATE else timedelta(minutes=15))
            challenge = start_challenge(
                account_id=f"account-{number}", purpose="sign-in", channel="sms", destination=mobile, now=now
            )
            message = compose_code(
                "sms", code=challenge.code, locale="fr", service="Mes aides", device="", reference="7KQ-4MX",
                purpose="sign-in", site="caf.fr", host=ISSUER.removeprefix("https://"), asked_at=now,
            )  # fmt: skip
            outbox.enqueue(
                channel="sms", to=mobile, message=message, subject_ref=challenge.subject_ref, purpose="sign-in",
                account_id=challenge.account_id, deadline=deadline, now=now,
            )  # fmt: skip
            codes[mobile] = Sent(challenge.code, deadline)
        db.session.commit()
    return codes


def kill_until_done(app: Flask, smsc: Smsc, start: Callable[..., Process], chance: random.Random) -> int:
    """Kill workers in the middle of their work until nothing waits; return how many were killed."""
    ends_at, kills = time.monotonic() + WITHIN, 0
    changes = {
        "IDP_SMS__TRANSPORT": "smpp",
        "IDP_SMS__SMPP_URL": f"smpp://test:test@127.0.0.1:{smsc.port}",
        "IDP_SMS__TIMEOUT": "1",
        "IDP_SMTP__TIMEOUT": "1",
        "IDP_LOGOUT__TIMEOUT": "1",
        "IDP_OUTBOX__LEASE": str(LEASE),
    }
    workers = [start(**changes)]
    while is_waiting(app):
        assert time.monotonic() < ends_at, "the workers do not come to an end"
        if kills >= MOST_KILLS:
            # The last one finds everything as the dead have left it.
            time.sleep(0.2)
            continue
        # The next one comes up while this one sends.
        workers.append(start(**changes))
        before = smsc.submits
        while smsc.submits == before and is_waiting(app):
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 1))
        kills += is_waiting(app)
        victim = workers.pop(0)
        victim.kill()
        victim.wait()
    return kills


def is_waiting(app: Flask) -> bool:
    with app.app_context():
        return bool(outbox.count_waiting())


def assert_nothing_readable(settings: Settings, rows: Any, codes: dict[str, Sent]) -> None:
    """Look for numbers and texts where an attacker would: in the rows, and in the very file."""
    url = settings.database_url.get_secret_value()
    files = [Path(url.removeprefix("sqlite:///") + suffix) for suffix in ("", "-wal")] if "sqlite" in url else []
    trail = repr(rows).encode() + read_beside(*(path for path in files if path.exists()))
    assert b"Code de connexion" not in trail
    assert not [number for number in codes if number[1:].encode() in trail]

"""After the soak: what the stores hold, compared with what was done. Each line is a thing that had to be so."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.soak_guest import Visit
from bench.soak_mix import KINDS, Kind
from bench.soak_site import SoakSite

_KINDS: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class Line:
    """One line of the books."""

    what: str
    due: int
    found: int

    @property
    def is_good(self) -> bool:
        """Tell whether it is as it has to be."""
        return self.due == self.found


def visits_lines(visits: Sequence[Visit], ledger: Mapping[str, int], refused: Mapping[str, int]) -> list[Line]:
    """Compare visits with what their kind promises, and the messages with their ledger."""
    finish = sum(_KINDS[visit.kind].finishes for visit in visits)
    return [
        Line("visits that went otherwise than they had to", 0, sum(bool(visit.fault) for visit in visits)),
        Line("people signed in, their tokens verified", finish, sum(visit.finished for visit in visits)),
        Line("people with a `sub` of their own", finish, len({visit.sub for visit in visits if visit.sub})),
        *(Line(f"messages: {name}", 0, count) for name, count in ledger.items()),
        *(Line(f"answers: {name}", 0, count) for name, count in refused.items()),
    ]


def unwanted_answers(statuses: Mapping[tuple[str, int], int], visits: Sequence[Visit]) -> dict[str, int]:
    """Count the answers that no visit expects, by kind; the waiting page of a full house is counted elsewhere."""
    mistyped = sum(_KINDS[visit.kind].wrong_codes for visit in visits)
    told = statuses.get(("the code", 422), 0)
    waits = {("NIR and password", 503), ("page: NIR and password", 503)}
    bad = {step: count for step, count in statuses.items() if step[1] >= 400 and step not in waits}
    return {
        "no answer": sum(count for (_, status), count in bad.items() if status == 502),
        "faults of ours (5xx)": sum(count for (_, status), count in bad.items() if status >= 500 and status != 502),
        "refusals (4xx) that nobody provoked": sum(n for (_, status), n in bad.items() if status < 500) - told,
        "wrong codes that were not told, or more than were typed": abs(told - mistyped),
    }


def store_lines(site: SoakSite, visits: Sequence[Visit], messages: Mapping[str, int]) -> list[Line]:
    """Compare rows and audit events, account by account, with the visits; ``messages`` arrived, by channel."""
    known = [visit for visit in visits if _KINDS[visit.kind].is_known]

    def due(value: Callable[[Visit], int]) -> dict[str, int]:
        return {visit.account_id: count for visit in known if (count := value(visit))}

    tables = (
        ("sessions", _SESSIONS, due(lambda visit: visit.finished)),
        ("sessions ended", f"{_SESSIONS} WHERE ended_at IS NOT NULL", due(lambda visit: visit.signed_out)),
        ("refresh families", "SELECT account_id FROM refresh_families", due(lambda visit: visit.grants)),
        ("events: sign-in", _event("sign-in", "done"), due(_sign_ins)),
        ("events: password right", _event("password", "ok"), due(lambda visit: 1)),
        ("events: code right", _event("code", "ok"), due(lambda visit: visit.finished)),
        ("events: code wrong", _event("code", "wrong"), due(lambda visit: _KINDS[visit.kind].wrong_codes)),
        ("events: sign-out", _event("sign-out", "ok"), due(lambda visit: visit.signed_out)),
    )  # fmt: skip
    lines = [line for name, query, wanted in tables for line in _by_account(name, site.rows(query), wanted)]
    wrong = site.rows("SELECT count(*) FROM audit_events WHERE event = 'password' AND outcome = 'wrong'")[0][0]
    lines.append(Line("events: password wrong", sum(_KINDS[visit.kind].wrong_passwords for visit in visits), wrong))
    return [*lines, *_outbox(site, messages), *_trail(site)]


def _sign_ins(visit: Visit) -> int:
    return _KINDS[visit.kind].sign_ins if visit.finished else 0


def _by_account(name: str, rows: Iterable[Any], due: Mapping[str, int]) -> list[Line]:
    found: dict[str, int] = {}
    for row in rows:
        found[row[0]] = found.get(row[0], 0) + 1
    differ = sum(found.get(account, 0) != due.get(account, 0) for account in {*found, *due})
    return [
        Line(name, sum(due.values()), sum(found.values())),
        Line(f"… accounts with more or fewer {name}", 0, differ),
    ]


def _outbox(site: SoakSite, messages: Mapping[str, int]) -> list[Line]:
    states = {(row[0], row[1]): row[2] for row in site.rows(_OUTBOX)}
    waiting = sum(count for (_, state), count in states.items() if state not in {"accepted", "delivered"})
    return [
        Line("outbox: waiting, refused or expired", 0, waiting),
        Line("outbox: mails that the relay accepted", messages["email"], states.get(("email", "accepted"), 0)),
        # The network's receipt has come for every one.
        Line("outbox: SMS that were delivered", messages["sms"], states.get(("sms", "delivered"), 0)),
        Line("new devices that nobody was told of", 0, site.rows("SELECT count(*) FROM new_devices")[0][0]),
    ]


def _trail(site: SoakSite) -> list[Line]:
    events = site.rows("SELECT count(*) FROM audit_events")[0][0]
    told = json.loads(site.command("audit", "verify", "--json"))
    return [
        Line("`idp audit verify`: events in the chain", events, told["events"]),
        Line("`idp audit verify`: findings", 0, told["found"]),
        Line("`idp audit verify`: events that wait", 0, told["waiting"]),
    ]


def _event(name: str, outcome: str) -> str:
    return f"SELECT account_id FROM audit_events WHERE event = '{name}' AND outcome = '{outcome}'"


_SESSIONS = "SELECT account_id FROM session_records"
_OUTBOX = "SELECT channel, state, count(*) FROM outbox GROUP BY channel, state"

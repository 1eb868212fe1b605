"""What holds in every drill: pages for people, nobody else's data, nothing that was not earned."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from idp import clock
from idp.audit.sealing import seal_all
from idp.audit.verify import Verdict, verify
from tests.drills.site import Site
from tests.drills.visitor import LOOK_AGAIN, RelyingParty, Visitor


def finish(visitor: Visitor) -> str:
    """Go on from where a visitor is until the relying party is reached."""
    ends_at = time.monotonic() + 30
    while (grant := visitor.grant) is None:
        assert time.monotonic() < ends_at, visitor.seen[-3:]
        visitor.take_next_step()
    return grant


def assert_unavailable(visitor: Visitor, *, within: float = 3.0) -> None:
    """A page for people, that says when to come back, in time, with no cookie in it."""
    refusal = visitor.refusal
    assert refusal is not None, visitor.path
    assert (refusal.status, refusal.heading) == (503, "Le service ne répond pas pour le moment")
    assert refusal.retry_after
    assert refusal.took < within
    assert visitor.answer is not None
    assert "Set-Cookie" not in visitor.answer.headers


def assert_everybody_is_themselves(site: Site, visitors: list[Visitor]) -> None:
    """Redeem what everybody was given, and see whose it is: no answer may have reached somebody else (RC-31)."""
    service = RelyingParty(site)
    told = []
    for visitor in visitors:
        answer = service.exchange(str(visitor.grant))
        assert answer is not None
        assert answer.status_code == 200, answer.text
        claims = service.userinfo(answer.json()["access_token"])
        assert claims is not None
        told.append((claims.json()["email"], visitor.person.email))
    assert [got for got, _ in told] == [own for _, own in told]


def status_of(site: Site, path: str) -> int:
    answer = site.front.send(RelyingParty(site).session, "GET", path)
    return 0 if answer is None else answer.status_code


def all_at_once(visitors: list[Visitor], within: float = 45.0, threads: int = 8) -> list[str]:
    """Let everybody sign in, some at a time, trying again as pages say; return their authorization codes."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda visitor: visitor.sign_in(within), visitors))


@dataclass(frozen=True)
class Exchanged:
    """What a service got for somebody: the code it exchanged, whose the tokens are, and the ID token."""

    code: str
    email: str
    id_token: str


def exchanged(visitor: Visitor, within: float = 45.0) -> Exchanged:
    """Sign in and let the service have its tokens and ask whose they are, as a service does: at once.

    Where an answer is lost, it sends its visitor again, who is signed in by then: the code may be used up (RC-38).
    """
    service, ends_at = RelyingParty(visitor.site), time.monotonic() + within
    while True:
        code = visitor.sign_in(ends_at - time.monotonic())
        answer = service.exchange(code)
        if answer is not None and answer.status_code == 200:
            tokens = answer.json()
            return Exchanged(code, _whose(service, tokens["access_token"], ends_at), tokens["id_token"])
        assert answer is None or answer.status_code in {400, 503}, answer.text
        visitor.note_lost_exchange()


def _whose(service: RelyingParty, access_token: str, ends_at: float) -> str:
    while (claims := service.userinfo(access_token)) is None or claims.status_code == 503:
        assert time.monotonic() < ends_at
        time.sleep(LOOK_AGAIN)
    assert claims.status_code == 200, claims.text
    return str(claims.json()["email"])


def assert_nothing_is_open(site: Site, visitors: list[Visitor]) -> int:
    """Look into the stores: no more sign-ins than codes that were typed, and a whole trail; return how many."""
    typed: dict[str, set[str]] = {}
    for visitor in visitors:
        typed.setdefault(visitor.person.account_id, set()).update(visitor.typed)
    begun = {row[0]: row[1] for row in site.rows(_SESSIONS) if row[0] in typed}
    right = {row[0]: row[1] for row in site.rows(_RIGHT_CODES) if row[0] in typed}
    assert {who: count for who, count in begun.items() if count > len(typed[who])} == {}
    assert {who: count for who, count in right.items() if count > len(typed[who])} == {}
    verdict = site.in_app(_verify_trail)
    assert verdict.is_good, verdict.findings
    return sum(begun.values())


def _verify_trail() -> Verdict:
    seal_all(clock.now())
    return verify(clock.now())


_SESSIONS = "SELECT account_id, count(*) FROM session_records GROUP BY account_id"
_RIGHT_CODES = (
    "SELECT account_id, count(*) FROM audit_events WHERE event = 'code' AND outcome = 'ok' GROUP BY account_id"
)

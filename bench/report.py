"""Writes what was measured into docs/performance.md (between its marks) and draws the bars."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import chart
from bench.alone import Alone
from bench.floor import ARGON2, floor_of
from bench.measure import Figures
from bench.visit import SIGN_IN

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
OURS, REFERENCE = "Sésame", "npm oidc-provider"
_HEAD = (
    "operation", "provider", "CPU µs/op, server", "CPU µs/op, stores", "op/s", "p50 ms", "p99 ms", "errors",
    "generator µs/op", "server CPU, Sésame ÷ it", "op/s, Sésame ÷ it",
)  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """The most CPU and the least rate against npm oidc-provider, the most over the floor; none where none was set."""

    cpu: float | None
    rate: float | None
    floor: float


GOALS: Mapping[str, Goal] = {
    "discovery": Goal(0.4, 2, 1.3),
    "JWKS": Goal(0.4, 2, 1.3),
    "client credentials": Goal(0.5, 2, 1.5),
    "authorize, signed in": Goal(0.6, 1.6, 1.5),
    "code exchange": Goal(0.5, 2, 1.5),
    "refresh, rotating": Goal(0.5, 2, 1.5),
    "userinfo": Goal(0.5, 2, 1.5),
    "introspection": Goal(0.5, 2, 1.5),
    "authorize + exchange": Goal(0.6, 1.6, 1.5),
    SIGN_IN: Goal(None, None, 1.1),
}
# What is said beside a figure, by provider and operation.
_CLIENT_HASH = "it compares the client's secret with Django's default hash, a million rounds of PBKDF2, at each request"
NOTES: Mapping[tuple[str, str], str] = {
    **{
        ("django-oauth-toolkit", operation): _CLIENT_HASH
        for operation in ("client credentials", "code exchange", "refresh, rotating", "introspection",
                          "authorize + exchange")
    },
    ("npm oidc-provider", SIGN_IN): "its interaction lets everybody in: no form, no password hashed, no mail",
    ("Canaille", SIGN_IN): "the password is hashed with PBKDF2-SHA512, its default, not with Argon2",
}  # fmt: skip
# Published, not measured here: operations per second and vCPU.
KEYCLOAK_URL = "https://www.keycloak.org/high-availability/single-cluster/concepts-memory-and-cpu-sizing"
KEYCLOAK: Mapping[str, tuple[str, int]] = {
    SIGN_IN: ("password sign-in", 15),
    "client credentials": ("client-credential grant", 120),
    "refresh, rotating": ("refresh", 120),
}


@dataclass(frozen=True)
class Measured:
    """Everything that one run found out."""

    rows: Sequence[Figures]
    # By provider: operations that it cannot do, and why.
    cannot: Mapping[str, Mapping[str, str]]
    alone: Mapping[str, Alone]
    parts: Mapping[str, float]

    def markdown(self) -> str:
        """Return all tables."""
        tables = (self._side_by_side, self._goals, self._sign_in, self._per_core, self._alone, self._parts)
        return "\n\n".join("\n".join(table()) for table in tables)

    def _side_by_side(self) -> Iterator[str]:
        yield from _head(*_HEAD, words=2)
        notes: list[str] = []
        for name, group in by_operation(self.rows).items():
            yield from self._group(name, group, notes)
        yield from (f"\n({number}) {note}." for number, note in enumerate(notes, 1))

    def _group(self, name: str, group: Sequence[Figures], notes: list[str]) -> Iterator[str]:
        ours = group[0]
        for row in group:
            ratios = ("", "") if row is ours else (_ratio(ours.server, row.server), _ratio(ours.rate, row.rate))
            said = NOTES.get((row.provider, name), "")
            yield _row(
                name if row is ours else "", row.provider, f"{row.server:.0f}{_mark(said, notes)}",
                f"{row.stores:.0f}", f"{row.rate:.1f}" if row.rate < 100 else f"{row.rate:.0f}", f"{row.p50:.2f}",
                f"{row.p99:.2f}", row.errors, f"{row.generator:.0f}", *ratios,
            )  # fmt: skip
        for provider, reasons in self.cannot.items():
            if name in reasons:
                yield _row("", provider, f"—{_mark(f'{provider}: {reasons[name]}', notes)}", *["—"] * 8)

    def _goals(self) -> Iterator[str]:
        yield from _head(
            "operation", "CPU ÷ npm", "goal", "op/s ÷ npm", "goal", "CPU of server, µs", "floor, µs", "CPU ÷ floor",
            "goal",
        )  # fmt: skip
        for name, group in by_operation(self.rows).items():
            ours, goal = group[0], GOALS[name]
            reference = next((row for row in group if row.provider == REFERENCE and goal.cpu), None)
            floor = floor_of(name, self.parts, ours.asked)
            yield _row(
                name, *_against(reference and ours.server / max(reference.server, 1e-9), "≤", goal.cpu),
                *_against(reference and ours.rate / max(reference.rate, 1e-9), "≥", goal.rate),
                f"{ours.server:.0f}", f"{floor:.0f}", *_against(ours.server / floor, "≤", goal.floor),
            )  # fmt: skip

    def _sign_in(self) -> Iterator[str]:
        yield from _head(
            "whole sign-in", "requests", "CPU ms, server", "CPU ms, worker that mails", "CPU ms, stores", "CPU ms, all",
            "of it one bare Argon2id", "errors",
        )  # fmt: skip
        for row in by_operation(self.rows).get(SIGN_IN, []):
            total = row.server + row.worker + row.stores
            share = f"{self.parts[ARGON2] / total:.0%}" if row.provider == OURS and total else "—"
            milliseconds = (f"{one / 1000:.1f}" for one in (row.server, row.worker, row.stores, total))
            yield _row(row.provider, f"{row.asked:.1f}", *milliseconds, share, row.errors)

    def _per_core(self) -> Iterator[str]:
        yield from _head(
            "per second and core", "Keycloak, published", "Sésame, server only", "Sésame, with worker and stores",
            "with them ÷ Keycloak",
        )  # fmt: skip
        ours = {row.operation: row for row in self.rows if row.provider == OURS}
        for name, (theirs, rate) in KEYCLOAK.items():
            if name in ours:
                row = ours[name]
                server = 1e6 / max(row.server, 1e-9)
                everything = 1e6 / max(row.server + row.worker + row.stores, 1e-9)
                what = f"{theirs}; ours with a mailed code" if name == SIGN_IN else theirs
                yield _row(what, rate, f"{server:.0f}", f"{everything:.0f}", f"{everything / rate:.1f}")
        yield (
            f"\nKeycloak's figures are those of [its sizing guide]({KEYCLOAK_URL}), per vCPU, its database apart; they "
            "were not measured here. Its clients connect anew by TLS for each client-credential grant, which its guide "
            "says is most of that cost; ours come over kept connections without TLS, as from a proxy."
        )

    def _alone(self) -> Iterator[str]:
        yield from _head("alone", "processes", "largest, MB", "all together, MB", "first answer after, s")
        for name, one in self.alone.items():
            yield _row(name, one.processes, f"{one.largest:.0f}", f"{one.all:.0f}", f"{one.start:.1f}")

    def _parts(self) -> Iterator[str]:
        yield from _head("bare part", "CPU µs")
        yield from (_row(name, f"{cpu:.0f}") for name, cpu in self.parts.items())


def write(measured: Measured) -> None:
    """Put tables and chart into the documentation."""
    page = DOCS / "performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{measured.markdown()}\n{END}{after}", encoding="utf-8")
    drawing = chart.draw([(name, [(row.provider, row.server) for row in group])
                          for name, group in by_operation(measured.rows).items()])  # fmt: skip
    (DOCS / "images/performance.svg").write_text(drawing, encoding="utf-8")


def by_operation(rows: Iterable[Figures]) -> dict[str, list[Figures]]:
    """Return the rows of each operation, ours first."""
    found: dict[str, list[Figures]] = {}
    for row in rows:
        found.setdefault(row.operation, []).append(row)
    return found


def _against(found: float | None, relation: str, goal: float | None) -> tuple[str, str]:
    """Return a ratio, in bold where it reaches its goal, and the goal."""
    if found is None or goal is None:
        return "—", "—" if goal is None else f"{relation} {goal:g}"
    is_reached = found <= goal if relation == "≤" else found >= goal
    return f"**{found:.2f}**" if is_reached else f"{found:.2f}", f"{relation} {goal:g}"


def _mark(note: str, notes: list[str]) -> str:
    if not note:
        return ""
    if note not in notes:
        notes.append(note)
    return f" ({notes.index(note) + 1})"


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / max(theirs, 1e-9):.2f}"


def _head(*cells: str, words: int = 1) -> tuple[str, str]:
    return _row(*cells), f"|{'---|' * words}{'---:|' * (len(cells) - words)}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"

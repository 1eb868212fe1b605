"""Writes what the soak measured as the tables of docs/soak.md; ``python -m bench.soak_report FACTS.json``: anew."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.scale_report import BEGIN, END
from bench.soak_mix import KINDS

PAGE = Path(__file__).parent.parent / "docs/soak.md"
# As docs/scale.md: browsers among the sign-ins, and how much of a core may be used.
BROWSERS, USE = 0.6, 0.6
BENCH = "the bench itself"
PEAKS = (400, 1500, 3000)


def text(facts: Mapping[str, Any]) -> str:
    """Return all tables in Markdown."""
    parts = (_run(facts), _mix(facts), _lines(facts), _memory(facts), _times(facts), _costs(facts), _model(facts))
    return "\n\n".join("\n".join(part) for part in parts)


def write(measured: str, page: Path = PAGE) -> None:
    """Put the tables between the marks of the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{measured}\n{END}{after}", encoding="utf-8")


def _run(facts: Mapping[str, Any]) -> list[str]:
    visits, load = sum(facts["visits"].values()), "load average"
    good = "**Everything is as it has to be.**" if facts["is_good"] else "**Not everything is as it has to be.**"
    run = (
        f"{facts['began']}: {facts['minutes']:g} minutes, {visits:,} visits at {facts['rate']:g} a second (exponential "
        f"gaps, fixed seed) of {facts['people']:,} people, each once; {facts['finished']:,} signed in, "
        f"{facts['refreshes']:,} refreshes, {facts['signed_out']:,} signed out. {good}"
    )
    machine = (
        f"The machine: {facts['cores']} cores, shared with other work; load average {facts['mean'][load]:.1f} in the "
        f"mean, {facts['most'][load]:.1f} at most; Python {facts['python']}. At most "
        f"{facts['most']['visitors at once']:.0f} visitors at once; a visit began {facts['late']['p99'] * 1000:.0f} ms "
        f"late at p99. The waiting page of a full house was shown {facts['waiting_pages']:,} times."
    )
    return [run, "", machine]


def _mix(facts: Mapping[str, Any]) -> list[str]:
    counts = facts["visits"]
    rows = [(kind.name, kind.share, f"{counts[kind.name]:,}", "yes" if kind.finishes else "no") for kind in KINDS]
    return _table(("of a hundred visits", "share", "here", "signs in"), "lrrr", rows)


def _lines(facts: Mapping[str, Any]) -> list[str]:
    rows = [
        (what, f"{due:,}", f"{found:,}", "" if due == found else "**differs**") for what, due, found in facts["lines"]
    ]
    faults = [f"- {count} × {what}" for what, count in facts["faults"]]
    return [*_table(("the books", "has to be", "is", ""), "lrrl", rows), *(["", *faults] if faults else [])]


def _memory(facts: Mapping[str, Any]) -> list[str]:
    rows = [
        (row["name"], f"{row['first'] / 1000:.1f}", f"{row['last'] / 1000:.1f}",
         f"{row['a_minute']:+.1f} ± {row['error']:.1f}", "yes" if row["is_flat"] else "**no**")
        for row in facts["memory"]
    ]  # fmt: skip
    ends, visits = facts["ends"], sum(facts["visits"].values())
    grown = (ends["Redis, used"][1] - ends["Redis, used"][0]) / visits
    head = ("resident memory", f"MB after {facts['warm_up']:g} minutes", "MB at the end", "KB a minute", "flat")
    stores = [
        (name, *(f"{value:,.0f}" for value in (*ends[name], facts["most"][name])))
        for name in ("Redis, used", "Redis, resident", "Redis, keys", "Redis, connections", "PostgreSQL, connections")
    ]
    return [
        *_table(head, "lrrrr", rows),
        "",
        *_table(("stores (memory in KB)", "at the beginning", "at the end", "at most"), "lrrr", stores),
        "",
        f"Redis: {grown:.1f} KB a visit; every key has an end.",
    ]


def _times(facts: Mapping[str, Any]) -> list[str]:
    rows = [(name, *_milliseconds(found)) for name, found in facts["times"].items()]
    rows += [
        (f"{name}: from the click to the arrival", *_milliseconds(found))
        for name, found in facts["messages"].items() if name.startswith("code")
    ]  # fmt: skip
    return _table(("step", "requests", "p50 ms", "p99 ms", "longest ms"), "lrrrr", rows)


def _milliseconds(found: Mapping[str, float]) -> tuple[str, ...]:
    return (f"{found['n']:,.0f}", *(f"{found[name] * 1000:,.0f}" for name in ("p50", "p99", "most")))


def _costs(facts: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            name,
            f"{facts['at_rest'][name] * 100:.1f} %",
            f"{used / facts['took'] * 100:.1f} %",
            f"{_each(facts, name):.0f}",
        )
        for name, used in facts["cpu"].items()
    ]
    head = ("processor time", "of one core at rest", "of one core in the run", "ms a finished sign-in, beyond rest")
    return _table(head, "lrrr", rows)


def _each(facts: Mapping[str, Any], name: str) -> float:
    """Return what one finished sign-in costs, with all that the mix brings along, in ms."""
    return float((facts["cpu"][name] - facts["at_rest"][name] * facts["took"]) / facts["finished"] * 1000)


def _model(facts: Mapping[str, Any]) -> list[str]:
    ends, finished = facts["ends"]["Redis, used"], facts["finished"]
    redis, disk = (ends[1] - ends[0]) * 1000 / finished, facts["database_bytes"] / finished
    each = {f"cores of {name}": _each(facts, name) / 1000 for name in facts["cpu"] if name != BENCH}
    sums = [
        *((name, lambda peak, one=one: f"{peak * one / USE:,.1f}") for name, one in each.items()),
        ("messages a second", lambda peak: f"{peak * sum(facts['arrived'].values()) / finished:,.0f}"),
        ("memory of Redis that one hour fills, GB", lambda peak: f"{peak * 3600 * redis / 1e9:.1f}"),
        ("disk of PostgreSQL that one hour fills, GB", lambda peak: f"{peak * 3600 * disk / 1e9:.1f}"),
    ]
    rows = [(name, *(value(BROWSERS * peak) for peak in PEAKS)) for name, value in sums]
    return _table(("calculated from this run", *(f"{peak:,}/s" for peak in PEAKS)), "lrrr", rows)


def _table(head: Sequence[Any], sides: str, rows: Iterable[Sequence[Any]]) -> list[str]:
    marks = {"l": "---", "r": "---:"}
    return [
        f"| {' | '.join(map(str, head))} |",
        f"|{'|'.join(marks[side] for side in sides)}|",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
    ]


if __name__ == "__main__":
    write(text(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))

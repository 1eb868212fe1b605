"""Writes what was measured into docs/performance.md (between its marks) and draws the bars."""

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from bench.floor import Part
from bench.measure import Figures

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
# One colour a provider, told apart in grey as well.
COLOURS = ("#1f5fa8", "#8a8f98", "#c9ccd2", "#e0b15c")
_HEAD = (
    "| operation | provider | CPU µs/op, server | CPU µs/op, stores | op/s | p50 ms | p99 ms | errors | "
    "generator µs/op | server CPU, Sésame ÷ it | op/s, Sésame ÷ it |"
)
LEFT, WIDTH, BAR, GAP = 190, 560, 14, 16


def write(rows: list[Figures], facts: Mapping[str, tuple[float, float]], parts: Iterable[Part]) -> None:
    """Put table and chart into the documentation."""
    page = DOCS / "performance.md"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(rows, facts, parts)}\n{END}{after}", encoding="utf-8")
    (DOCS / "images/performance.svg").write_text(chart(rows), encoding="utf-8")


def table(rows: list[Figures], facts: Mapping[str, tuple[float, float]], parts: Iterable[Part]) -> str:
    """Return the tables in Markdown."""
    lines = [
        _HEAD,
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, group in by_operation(rows).items():
        ours = group[0]
        for row in group:
            cpu, rate = ours.server / max(row.server, 1e-9), ours.rate / max(row.rate, 1e-9)
            ratios = " | " if row is ours else f" {cpu:.2f} | {rate:.2f}"
            lines.append(
                f"| {name if row is ours else ''} | {row.provider} | {row.server:.0f} | {row.stores:.0f} | "
                f"{row.rate:.0f} | {row.p50:.2f} | {row.p99:.2f} | {row.errors} | {row.generator:.0f} |{ratios} |"
            )
    lines += ["", "| provider | largest process, MB | first answer after, s |", "|---|---:|---:|"]
    lines += [f"| {name} | {memory:.0f} | {start:.1f} |" for name, (memory, start) in facts.items()]
    lines += ["", "| bare part | CPU µs |", "|---|---:|"]
    lines += [f"| {part.name} | {part.cpu:.0f} |" for part in parts]
    return "\n".join(lines)


def chart(rows: list[Figures]) -> str:
    """Return bars of the server's CPU per operation, the shorter the better, each group to its own longest."""
    groups, y, out = by_operation(rows), 40, []
    names = list(dict.fromkeys(row.provider for row in rows))
    for number, name in enumerate(names):
        out.append(f'<rect x="{LEFT + number * 185}" y="10" width="12" height="12" fill="{COLOURS[number]}"/>')
        out.append(f'<text x="{LEFT + 18 + number * 185}" y="20">{escape(name)}</text>')
    for name, group in groups.items():
        longest = max(row.server for row in group) or 1
        out.append(f'<text x="{LEFT - 10}" y="{y + BAR * len(group) / 2 + 4}" text-anchor="end">{escape(name)}</text>')
        for row in group:
            width = max(1, row.server / longest * WIDTH)
            colour = COLOURS[names.index(row.provider)]
            out.append(f'<rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR - 2}" fill="{colour}"/>')
            out.append(f'<text x="{LEFT + width + 6:.0f}" y="{y + 10}">{row.server:.0f} µs</text>')
            y += BAR
        y += GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {y}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#1c1c1c">'
        "<title>CPU of the server per operation, in microseconds: shorter is better</title>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(out)}</svg>\n'
    )


def by_operation(rows: list[Figures]) -> dict[str, list[Figures]]:
    """Return the rows of each operation, ours first."""
    found: dict[str, list[Figures]] = {}
    for row in rows:
        found.setdefault(row.operation, []).append(row)
    return found

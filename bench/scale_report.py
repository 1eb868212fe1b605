"""Writes what `bench.scale` measured as the tables of docs/scale.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.at_size import Provider

PAGE = Path(__file__).parent.parent / "docs/scale.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def text(
    providers: Sequence[Provider], plans: Sequence[Mapping[str, str]], files: Sequence[Any], sizes: Mapping[str, int],
    options: Sequence[str],
) -> str:  # fmt: skip
    """Return the tables in Markdown."""
    parts = (_costs(*providers), _plans(providers, plans), [_import(files)], _sizes(sizes, providers[1].count))
    said = ", ".join(f"`{option}`" for option in options if "listen" not in option)
    return "\n\n".join("\n".join(part) for part in (*parts, [f"PostgreSQL with {said}."]))


def _costs(small: Provider, big: Provider) -> list[str]:
    head = ("operation", f"ms at {small.count:,}", f"ms at {big.count:,}", "ratio", "of it SQL", "blocks", "read",
            "statements")  # fmt: skip
    lines, ratios = [_row(*head), "|---|---:|---:|---:|---:|---:|---:|---:|"], []
    for name, here in small.meter.costs.items():
        there = big.meter.costs[name]
        ratios.append(there.cost / here.cost)
        pairs = [
            f"{median(getattr(here, what)):{form}} → {median(getattr(there, what)):{form}}"
            for what, form in (("sql", ".2f"), ("blocks", ".0f"), ("read", ".0f"), ("statements", ".0f"))
        ]
        lines.append(_row(name, f"{here.cost:.2f}", f"{there.cost:.2f}", f"{ratios[-1]:.2f}", *pairs))
    walks = len(next(iter(big.meter.costs.values())).took)
    return [
        *lines,
        "",
        f"{walks} people at each size; middle of the ratios {median(ratios):.2f}, largest {max(ratios):.2f}.",
    ]


def _plans(providers: Sequence[Provider], plans: Sequence[Mapping[str, str]]) -> list[str]:
    head = _row("an account by", *(f"at {provider.count:,}" for provider in providers))
    return [head, "|---|---|---|", *(_row(name, *(found[name] for found in plans)) for name in plans[0])]


def _import(files: Sequence[Any]) -> str:
    count, seconds = sum(one.count for one in files), sum(one.seconds for one in files)
    rates = sorted(one.count / one.seconds for one in files)
    return (
        f"Import: {count:,} people in {len(files)} files, {seconds / 60:.0f} minutes, {count / seconds:,.0f} a second "
        f"from the first look to the last commit (slowest file {rates[0]:,.0f}, fastest {rates[-1]:,.0f}); "
        f"{sum(one.wal for one in files) / 1e9:.1f} GB of write-ahead log."
    )


def _sizes(sizes: Mapping[str, int], count: int) -> list[str]:
    sizes = {**{f"`{name}`": size for name, size in sizes.items()}, "together": sum(sizes.values())}
    return [
        "| on disk | MB | bytes a person |",
        "|---|---:|---:|",
        *(_row(name, f"{size / 1e6:,.0f}", f"{size / count:.0f}") for name, size in sizes.items()),
    ]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def write(measured: str) -> None:
    """Put the tables between the marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{measured}\n{END}{after}", encoding="utf-8")

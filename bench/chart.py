"""Bars of the server's CPU per operation, as SVG: the shorter the better, each group to its own scale."""

from collections.abc import Sequence
from html import escape

# One colour a provider, told apart in grey as well.
COLOURS = ("#1f5fa8", "#8a8f98", "#c9ccd2", "#e0b15c")
LEFT, WIDTH, RIGHT, BAR, GAP, LEGEND = 200, 560, 110, 14, 16, 165
# A bar that is longer than so many times the shortest of its group is cut: the others could not be told apart.
MOST = 12
_GAP_AT = WIDTH - 24

Group = tuple[str, Sequence[tuple[str, float]]]


def draw(groups: Sequence[Group]) -> str:
    """Return the drawing of operations, each with its providers and their microseconds."""
    names = list(dict.fromkeys(name for _, bars in groups for name, _ in bars))
    y, out = 58, [*_legend(names)]
    for operation, bars in groups:
        shortest = min(value for _, value in bars) or 1
        longest = max(value for _, value in bars if value <= shortest * MOST) or 1
        is_cut = any(value > longest for _, value in bars)
        # What is whole ends before the place where the others are cut.
        room = WIDTH * 0.8 if is_cut else WIDTH
        out.append(
            f'<text x="{LEFT - 10}" y="{y + BAR * len(bars) / 2 + 4}" text-anchor="end">{escape(operation)}</text>'
        )
        for name, value in bars:
            fill = COLOURS[names.index(name)]
            width = WIDTH if value > longest else max(1, value / longest * room)
            out.append(f'<rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR - 2}" fill="{fill}"/>')
            if value > longest:
                x = LEFT + _GAP_AT
                out.append(f'<path d="M{x} {y + BAR - 1}l6 -{BAR}h6l-6 {BAR}z" fill="#ffffff"/>')
            out.append(f'<text x="{LEFT + width + 6:.0f}" y="{y + 10}">{value:,.0f} µs</text>')
            y += BAR
        y += GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {y}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#1c1c1c">'
        "<title>CPU of the server per operation, in microseconds: shorter is better</title>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(out)}</svg>\n'
    )


def _legend(names: Sequence[str]) -> list[str]:
    out = []
    for number, name in enumerate(names):
        x = LEFT + number * LEGEND
        out.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{COLOURS[number]}"/>')
        out.append(f'<text x="{x + 18}" y="20">{escape(name)}</text>')
    told = f"Each operation has its own scale; a broken bar is over {MOST} times as long as the shortest."
    return [*out, f'<text x="{LEFT}" y="42" fill="#555555">{told}</text>']

"""How a plot is drawn: where bars and points stand in a picture of 480 by 140, as text of SVG attributes.

No word stands in the picture: words beside it keep their size on a small screen, and the table behind has every value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from idp.admin.dashboard import Plot

WIDTH: Final = 480
HEIGHT: Final = 140
_TOP: Final = 6


@dataclass(frozen=True, slots=True)
class Line:
    """One line, broken where nothing was measured, and its points: strokes of no length, which have round ends."""

    path: str
    points: str


def stack(plot: Plot) -> list[str]:
    """Return a path a series: bars that stand on those of the series before, slot by slot."""
    width, tallest = WIDTH / len(plot.slots), plot.tallest or 1
    paths = ["" for _ in plot.series]
    for number, values in enumerate(plot.by_slot):
        floor = 0.0
        for style, value in enumerate(values):
            low, floor = floor, floor + value
            bottom, top = (HEIGHT - round(level / tallest * (HEIGHT - _TOP)) for level in (low, floor))
            if top < bottom:
                paths[style] += f"M{number * width + 1:.0f} {bottom}V{top}h{width - 2:.0f}V{bottom}z"
    return paths


def spark(values: Sequence[int]) -> str:
    """Return bars in a picture of 112 by 24, eight a slot: the tallest fills it, one of anything is seen."""
    tallest = max(values, default=0) or 1
    heights = [max(2, round(value / tallest * 24)) if value else 0 for value in values]
    return "".join(f"M{8 * slot + 1} 24v-{height}h6v{height}z" for slot, height in enumerate(heights) if height)


def lines(plot: Plot) -> list[Line]:
    """Return a line a series."""
    width, highest = WIDTH / len(plot.slots), plot.highest or 1
    drawn = []
    for one in plot.series:
        path, points, before = "", "", None
        for number, value in enumerate(one.values):
            if value is not None:
                x, y = round((number + 0.5) * width), HEIGHT - round(value / highest * (HEIGHT - _TOP))
                path += f"{'M' if before is None else 'L'}{x} {y}"
                points += f"M{x} {y}h0"
            before = value
        drawn.append(Line(path, points))
    return drawn

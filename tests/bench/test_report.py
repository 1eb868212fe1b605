"""The page that a benchmark writes: ratios, goals, shares and gaps are those of the figures, and the chart fits."""

import re
from xml.etree import ElementTree

from bench import chart, floor, report
from bench.alone import Alone, middle_of
from bench.measure import Figures, middle
from bench.visit import SIGN_IN

PARTS = {
    floor.BARE: 20.0, floor.FORM: 30.0, floor.FLASK: 90.0, floor.ROUND_TRIP: 16.0, floor.STATEMENT: 25.0,
    floor.SIGNATURE: 35.0, floor.ARGON2: 40_000.0,
}  # fmt: skip


def figures(operation: str, provider: str, server: float, rate: float = 100, **more: float) -> Figures:
    """Return a row."""
    stores, errors = more.pop("stores", 10), int(more.pop("errors", 0))
    return Figures(operation, provider, rate, server, stores, 5, 1, 2, errors, 1000, **more)


def measured(*rows: Figures) -> report.Measured:
    """Return what a run found out."""
    cannot = {"Sésame": {}, "django-oauth-toolkit": {SIGN_IN: "no pages"}}
    return report.Measured(rows, cannot, {"Sésame": Alone(3, 100, 120, 1.5)}, PARTS)


def line(text: str, *words: str) -> list[str]:
    """Return the cells of the one row that has these words."""
    found = [row for row in text.splitlines() if row.startswith("|") and all(word in row for word in words)]
    assert len(found) == 1, found
    return [cell.strip() for cell in found[0].strip("|").split("|")]


def test_medians_are_those_of_the_rounds_and_errors_add_up() -> None:
    rounds = [figures("userinfo", "Sésame", cpu, errors=1, worker=cpu, asked=2) for cpu in (9, 1, 5)]

    row = middle(rounds)

    assert (row.server, row.worker, row.asked, row.errors, row.requests) == (5, 5, 2, 3, 3000)
    assert middle_of([Alone(2, 90, 95, 3), Alone(3, 80, 85, 1), Alone(2, 70, 75, 2)]) == Alone(3, 80, 85, 2)


def test_an_operation_is_compared_with_the_sum_of_the_parts_it_cannot_avoid() -> None:
    counts = {"state": 2, "sql": 1}
    needed = 30 + 35 + counts["state"] * 16 + counts["sql"] * 25

    found = floor.floor_of("code exchange", PARTS, counts={"code_exchange": counts})

    assert found == needed
    assert floor.floor_of(SIGN_IN, PARTS, asked=9) == 40_000 + 9 * 20


def test_a_goal_is_marked_as_reached_only_when_it_is() -> None:
    reached = measured(figures("userinfo", "Sésame", 80, 210), figures("userinfo", "npm oidc-provider", 200, 100))
    missed = measured(figures("userinfo", "Sésame", 180, 90), figures("userinfo", "npm oidc-provider", 200, 100))

    assert line(reached.markdown(), "userinfo", "≤ 0.5")[1:5] == ["**0.40**", "≤ 0.5", "**2.10**", "≥ 2"]
    assert line(missed.markdown(), "userinfo", "≤ 0.5")[1:5] == ["0.90", "≤ 0.5", "0.90", "≥ 2"]


def test_the_share_of_argon2_is_of_all_cpu_and_not_of_the_server_alone() -> None:
    text = measured(figures(SIGN_IN, "Sésame", 45_000, stores=2_000, worker=3_000, asked=9)).markdown()

    assert line(text, "Sésame", "80%")[2:7] == ["45.0", "3.0", "2.0", "50.0", "80%"]
    assert line(text, "password sign-in")[1:] == ["15", "22", "20", "1.3"]
    assert line(text, SIGN_IN, "≤ 1.1")[-2:] == ["**1.12**" if 45_000 / 40_180 <= 1.1 else "1.12", "≤ 1.1"]


def test_what_a_peer_cannot_do_and_what_is_not_the_like_is_said_beside_the_figure() -> None:
    text = measured(
        figures(SIGN_IN, "Sésame", 45_000), figures(SIGN_IN, "npm oidc-provider", 900),
        figures("client credentials", "Sésame", 200), figures("client credentials", "django-oauth-toolkit", 300_000),
    ).markdown()  # fmt: skip

    notes = dict(re.findall(r"^\((\d)\) (.*)\.$", text, re.M))
    marks = {words: re.findall(r"\((\d)\)", " ".join(line(text, *words))) for words in (
        ("npm oidc-provider", "900 ("), ("django-oauth-toolkit", "300000 ("), ("django-oauth-toolkit", "— ("),
    )}  # fmt: skip
    assert [notes[number] for found in marks.values() for number in found] == [
        "its interaction lets everybody in: no form, no password hashed, no mail",
        "it compares the client's secret with Django's default hash, a million rounds of PBKDF2, at each request",
        "django-oauth-toolkit: no pages",
    ]


def test_every_operation_has_a_goal_and_a_floor() -> None:
    from bench.flows import OPERATIONS

    names = {*(operation[0] for operation in OPERATIONS), SIGN_IN}

    assert names == report.GOALS.keys() == floor.NEEDS.keys()
    assert all(floor.floor_of(name, PARTS) > 0 for name in names)


def test_the_chart_has_a_bar_a_provider_within_its_frame_and_cuts_the_endless_ones() -> None:
    names = ["Sésame", "npm oidc-provider", "django-oauth-toolkit", "Canaille"]
    svg = chart.draw([("token", [(name, 100.0 * (1 + number)) for number, name in enumerate(names)]),
                      ("hash", [(name, 10.0**number) for number, name in enumerate(names, 2)])])  # fmt: skip

    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    width = float(root.attrib["viewBox"].split()[2])
    bars = [rect for rect in root.findall(f"{space}rect") if float(rect.attrib.get("y", 0)) > 50]
    lengths = [float(bar.attrib["width"]) for bar in bars]
    texts = [(float(text.attrib["x"]), text.text or "") for text in root.findall(f"{space}text")]

    assert lengths[:4] == [140, 280, 420, 560]
    assert lengths[4:] == [45, 448, 560, 560]
    assert len(root.findall(f"{space}path")) == 2
    # Seven pixels a letter are more than this typeface has.
    assert all(x + 7 * len(text) <= width for x, text in texts if x > chart.LEFT)
    assert {text for _, text in texts} >= {*names, "100,000 µs"}

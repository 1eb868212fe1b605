"""Alerts and dashboards ask for what is counted, and every alert has a page whose commands exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.shipped import DEPLOY, ROOT, commands_in, documents, fault_of
from tools import dashboards

PROMETHEUS = DEPLOY / "prometheus"
RUNBOOKS = ROOT / "docs" / "howto" / "runbooks"
# What others count: Prometheus itself, redis_exporter, blackbox_exporter.
OTHERS = {"up", "redis_memory_used_bytes", "redis_memory_max_bytes", "probe_ssl_earliest_cert_expiry"}
# Of PromQL itself.
WORDS = {
    *("sum", "max", "min", "rate", "increase", "histogram_quantile", "by", "and", "or", "unless", "topk", "time"),
    *("vector", "on", "count", "day_of_month", "month", "days_in_month", "__rate_interval"),
}
OF_EVERY_SERIES = {"le", "job", "instance"}


def ours() -> dict[str, set[str]]:
    """Return every series that a node shows, with the labels that tell its values apart."""
    found: dict[str, set[str]] = {}
    for name, (kind, labels) in dashboards.series().items():
        bare = name.removesuffix("_bucket")
        kinds = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        found |= {bare + end: set(labels) for end in kinds}
    return found


def faults_of(query: str, known: dict[str, set[str]], recorded: set[str]) -> list[str]:
    """Name the series and labels of a query that nobody has."""
    labels = {label for inner in re.findall(r"\{([^}]*)\}", query) for label in re.findall(r"(\w+)\s*[=!]", inner)}
    labels |= {label.strip() for inner in re.findall(r"\bby \(([^)]*)\)", query) for label in inner.split(",")}
    bare = re.sub(r"\{[^}]*\}|\bby \([^)]*\)|\[[^\]]*\]|\b\d[\w.]*", " ", query)
    names = set(re.findall(r"[a-zA-Z_][\w:]*", bare)) - WORDS
    series = names & known.keys()
    has = OF_EVERY_SERIES.union(*(known[name] for name in series))
    return sorted(names - series - recorded - OTHERS) + [f"label {one}" for one in sorted(labels - has)]


RULES: list[dict[str, Any]] = [
    rule for group in documents(PROMETHEUS / "rules.yml")[0]["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}


def page_of(alert: str) -> Path:
    return RUNBOOKS / (re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower() + ".md")


def test_the_check_itself_finds_what_nobody_counts() -> None:
    query = 'sum by (colour) (rate(idp_token_totally{grant="x"}[5m])) / rate(idp_token_total{shape="y"}[5m])'

    assert faults_of(query, ours(), RECORDED) == ["idp_token_totally", "label colour", "label shape"]


@pytest.mark.parametrize("name", dashboards.names())
def test_a_dashboard_is_what_is_written_and_asks_for_what_is_counted(name: str) -> None:
    text = (DEPLOY / "grafana" / f"{name}.json").read_text(encoding="utf-8")
    board = json.loads(text)

    assert text == dashboards.render(name), f"{name}.json is stale: run `make reference`"
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries += [day["expr"] for day in board["annotations"]["list"]]
    assert name == dashboards.REST or len(queries) > 10
    assert {query: faults for query in queries if (faults := faults_of(query, ours(), RECORDED))} == {}
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places), "two panels in one place"


def test_every_series_is_on_a_dashboard() -> None:
    shown = "".join(file.read_text(encoding="utf-8") for file in (DEPLOY / "grafana").glob("*.json"))

    hidden = {name.rsplit("_bucket", 1)[0] for name in ours() if not name.endswith(("_count", "_sum"))}
    assert sorted(name for name in hidden if name not in shown) == []


def test_every_alert_asks_for_what_is_counted_and_says_whom_it_wakes() -> None:
    assert len(ALERTS) > 15
    for rule in RULES:
        assert faults_of(rule["expr"], ours(), RECORDED) == [], rule
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert rule["annotations"]["summary"], name


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert sorted(RUNBOOKS.glob("*.md")) == sorted(page_of(alert) for alert in ALERTS)
    for alert, rule in ALERTS.items():
        page = page_of(alert)
        text = page.read_text(encoding="utf-8")
        assert rule["annotations"]["runbook"] == page.relative_to(ROOT).as_posix()
        assert text.startswith(f"# {alert}\n")
        for needed in ("**What visitors see**", "**Wake**", "## Look", "## Do"):
            assert needed in text, f"{page.name} does not say: {needed}"


def test_the_pages_name_commands_and_events_that_exist() -> None:
    events = (ROOT / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
    guides = [RUNBOOKS.parent / f"{name}.md" for name in ("deploy", "backup", "harden", "size")]
    for page in [*RUNBOOKS.glob("*.md"), *guides]:
        for words in commands_in(page.read_text(encoding="utf-8")):
            assert fault_of(words) is None, f"{page.name}: {fault_of(words)}"
            if "--event" in words:
                event = words[words.index("--event") + 1]
                assert f"`{event}`" in events, f"{page.name}: no event {event}"


def test_the_check_of_commands_finds_what_does_not_exist() -> None:
    text = (
        '`idp doctor`, `idp frobnicate --now`, `idp keys rotate --gently`, `idp keys rotate --emergency --reason "x"`'
    )

    assert [fault_of(words) is None for words in commands_in(text)] == [True, False, False, True]


def test_each_alert_fires_in_one_unit_test_and_in_no_other() -> None:
    tests = documents(PROMETHEUS / "rules_test.yml")[0]["tests"]

    loud, *quiet = tests
    expected = {sample["labels"] for one in loud["promql_expr_test"] for sample in one["exp_samples"]}
    assert {label for label in expected if label.startswith("{")} == {f'{{alertname="{name}"}}' for name in ALERTS}
    assert [(one["expr"], one["exp_samples"]) for test in quiet for one in test["promql_expr_test"]] == [
        ("ALERTS", []), ("ALERTS", []),
    ]  # fmt: skip


@pytest.mark.skipif(shutil.which("promtool") is None, reason="`make alerts` installs promtool (Debian: prometheus)")
@pytest.mark.parametrize(
    "command", ["check config prometheus.yml", "check rules rules.yml", "test rules rules_test.yml"]
)
def test_promtool_agrees(command: str) -> None:
    told = subprocess.run(["promtool", *command.split()], cwd=PROMETHEUS, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stdout + told.stderr

"""The figures of a node are those of all its processes, the dead ones included, at one port."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from idp.metrics_shared import NodeFigures
from tests.node import free_port, get, node, until

REQUESTS = r'idp_http_request_duration_seconds_count\{code="200",route="/healthz/live"\} (\d+)'


def test_two_web_processes_and_a_worker_give_one_answer_that_outlives_each(tmp_path: Path) -> None:
    port = free_port()
    with node(tmp_path, IDP_METRICS_PORT=str(port), IDP_METRICS_FOLDER=str(tmp_path / "metrics")) as started:
        worker = started.start("worker")
        started.serve("--workers", "2")

        def figure(pattern: str) -> int:
            found = re.search(pattern, get(f"http://127.0.0.1:{port}/metrics")[1])
            return int(float(found[1])) if found else 0

        until(lambda: figure(r'idp_processes\{kind="web"\} (\S+)') == 2, "both web processes are counted")
        until(lambda: figure(r'idp_processes\{kind="worker"\} (\S+)') == 1, "the worker is counted")
        for _ in range(40):
            get(f"{started.url}/healthz/live")
        assert figure(REQUESTS) == 40

        # All who could have counted, and whoever has the port, die by the signal that nobody can handle.
        before = {path.name for path in (tmp_path / "metrics").iterdir()}
        killed = {int(name.split("-")[0]) for name in before - {".tidy"}} - {worker.pid}
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert len(killed) == 2
        until(lambda: figure(REQUESTS) == 40, "another process answers, with what the dead had counted")
        until(lambda: figure(r'idp_processes\{kind="web"\} (\S+)') == 2, "both were started again")
        until(lambda: get(f"{started.url}/healthz/live")[0] == 200, "they answer")
        assert figure(REQUESTS) == 41
        left = {path.name for path in (tmp_path / "metrics").iterdir()}
        # One of the new ones may still load: it has to hear what it is told all the same (`server.loaded_by_granian`).
        told_at = time.monotonic()
        started.stop()
        assert time.monotonic() - told_at < 25, "nobody waited for the kill timeout"
    assert len(before & left - {".tidy"}) == 1, "only the worker's folder is still there"
    assert len([name for name in left if name.startswith("past-")]) == 1


def test_a_fold_that_was_cut_off_counts_nothing_twice(tmp_path: Path) -> None:
    count = "from idp import metrics, metrics_shared as s; from pathlib import Path; import sys\n"
    count += "s._count_into(Path(sys.argv[1])); metrics.RESUMED.inc(3); metrics.OUTBOX_DEPTH.labels('sms').set(7)"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", count, tmp_path], check=True)
    dead = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]

    first = _figures(tmp_path)
    # As if the process that folded had died before it removed what it had folded.
    for folder in dead:
        folder.mkdir()
        (folder / "counter_1.db").write_bytes(next(next(tmp_path.glob("past-*")).glob("counter_*.db")).read_bytes())

    assert "idp_resumed_logins_total 6.0" in first
    assert _figures(tmp_path) == first
    assert "idp_outbox_depth" not in first, "a gauge of the dead says nothing"
    assert not any(folder.exists() for folder in dead)


def _figures(folder: Path) -> str:
    registry = CollectorRegistry()
    registry.register(NodeFigures(folder))
    return generate_latest(registry).decode()

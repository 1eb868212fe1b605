"""A node that stops says so first, answers meanwhile, and finishes what is in flight (RC-27)."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.node import get, node, until
from tests.stranger_at_node import Stranger, add_client


def test_a_node_that_stops_is_unready_first_and_fails_nobody_rc_27(tmp_path: Path) -> None:
    # A hash of a second or so, to be in flight when the last moment comes.
    slow = {"IDP_PASSWORDS__MEMORY_KIB": "65536", "IDP_PASSWORDS__TIME_COST": "8"}
    with node(tmp_path, **slow) as started:
        client = add_client(started)
        server = started.serve("--workers", "2", "--drain", "2")
        late = Stranger(started, client, "203.0.113.1", 1)
        statuses: list[int] = []
        unready = threading.Event()

        def visit() -> None:
            # As behind a proxy: nobody new is sent to a node that is unready.
            while not unready.is_set():
                statuses.append(get(f"{started.url}/jwks.json")[0])

        with ThreadPoolExecutor(5) as pool:
            visitors = [pool.submit(visit) for _ in range(4)]
            until(lambda: len(statuses) > 20, "visitors come")
            server.send_signal(signal.SIGTERM)
            until(lambda: "leaving" in get(f"{started.url}/healthz/ready")[1], "the node says that it leaves")
            in_flight = pool.submit(late.tries)
            unready.set()
            alive = get(f"{started.url}/healthz/live")[0]
            for one in visitors:
                one.result()

        assert set(statuses) == {200}
        assert alive == 200
        assert in_flight.result()[0] == 200
        assert server.wait(40) == 0
        assert get(f"{started.url}/healthz/live")[0] == 0

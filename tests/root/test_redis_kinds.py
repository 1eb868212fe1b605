"""What becomes of state when a Redis of several is lost, moved or slow; what of a Redis that forgets (RC-02, RC-04)."""

import socket
import threading
from collections.abc import Iterator
from time import time

import pytest
import redis
from flask import Flask
from redis.crc import key_slot

from idp import server, store_checks
from idp.capacity import find_demand
from idp.redis_urls import RedisUrlFault, parse_several
from idp.state import State, StateDown, Stored
from idp.state_redis import RedisStore, Told
from idp.state_redis_cluster import open_redis
from tests.conftest import Browser
from tests.node import until
from tests.redis_fleet import Fleet, behind_sentinel, cluster, fleet, watched_at

NOW = time()
KEPT = Stored('"kept"', NOW + 3600)


@pytest.fixture(scope="module")
def the_cluster() -> Iterator[tuple[Fleet, RedisStore]]:
    with cluster() as (servers, url):
        store = open_redis(url, connections=4)
        yield servers, store
        store.close()


def test_a_switch_behind_sentinel_is_followed_at_once_or_when_it_is_done_rc_02() -> None:
    with behind_sentinel() as (servers, url):
        store = open_redis(url, connections=4)
        store.put("ticket", KEPT, NOW)
        servers.ask(servers.primary, "WAIT", 1, 5000)

        # The two change places; our connection stays open, and leads to a replica that answers READONLY.
        servers.ask(servers.replica, "REPLICAOF", "NO", "ONE")
        servers.ask(servers.primary, "REPLICAOF", "127.0.0.1", servers.replica)
        with redis.Redis(port=servers.watcher) as watcher:
            watcher.execute_command("SENTINEL", "REMOVE", "state")
            for name, value in watched_at(servers.replica).items():
                words = value.split() if name == "monitor" else [name, value]
                watcher.execute_command("SENTINEL", *(["MONITOR"] if name == "monitor" else ["SET"]), "state", *words)
            assert store.bump("n.tries", NOW + 60, NOW) == 1
            until(lambda: servers.ask(servers.primary, "INFO", "replication")["master_link_status"] == "up", "synced")
            until(lambda: watcher.sentinel_slaves("state"), "Sentinel knows the replica")

        servers.kill(servers.replica)

        # Refused at first, never answered wrongly.
        until(lambda: _or_down(store, "ticket") == KEPT, "the other was promoted and is asked")
        assert store.take("ticket", NOW) == KEPT
        assert store.take("ticket", NOW) is None
        assert store.count("n.tries", NOW) == 1
        store.close()


def test_a_slot_that_moves_is_followed_while_it_moves_and_afterwards(the_cluster: tuple[Fleet, RedisStore]) -> None:
    servers, store = the_cluster
    key = next(f"k{n}" for n in range(10_000) if key_slot(f"sesame:k{n}".encode()) > 10_922)
    slot, (_a, there, here, _d) = key_slot(f"sesame:{key}".encode()), servers.ports
    ids = {port: servers.ask(port, "CLUSTER", "MYID") for port in (here, there)}

    servers.ask(there, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[here])
    servers.ask(here, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[there])
    # It is not at the old place any more: that one answers ASK, and the new one wants to hear ASKING first.
    store.put(key, KEPT, NOW)
    while_it_moves = store.get((key,), NOW), store.bump(f"n.{{sesame:{key}}}", NOW + 60, NOW)
    for port in (there, here):
        servers.ask(port, "CLUSTER", "SETSLOT", slot, "NODE", ids[there])

    assert while_it_moves == ((KEPT,), 1)
    assert servers.ask(there, "EXISTS", f"sesame:{key}") == 1
    assert store.take_asking(key, "nothing", NOW) == (KEPT, None)
    assert store.take(key, NOW) is None


def test_a_node_of_a_cluster_that_dies_is_followed_by_its_spare(the_cluster: tuple[Fleet, RedisStore]) -> None:
    servers, store = the_cluster
    key = next(f"k{n}" for n in range(10_000) if key_slot(f"sesame:k{n}".encode()) < 5_000)
    store.put(key, KEPT, NOW)
    servers.ask(servers.ports[0], "WAIT", 1, 5000)

    servers.kill(servers.ports[0])

    until(lambda: _or_down(store, key) == KEPT, "the spare has taken its place")
    assert store.bump("n.x", NOW + 60, NOW) == 1
    store.ping()
    assert len(store.tell()) == 3


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+sentinel://one:26379", "the service that Sentinel watches"),
        ("redis+sentinel://one/service/x", "number of a database"),
        ("redis+cluster://one/3", "no databases"),
        ("redis+cluster://one:port", "cannot be read"),
        ("redis+magic://one", "begins with"),
        ("http://one", "cannot be used"),
    ],
)
def test_a_url_that_names_no_redis_stops_the_start(url: str, says: str) -> None:
    with pytest.raises(RedisUrlFault, match=says):
        open_redis(url, connections=1)


def test_a_url_says_who_we_are_and_what_sentinel_wants_to_know() -> None:
    where = parse_several(
        "rediss+sentinel://us:p%40ss@one,[::1]:5/service/2?ssl_ca_certs=/ca.pem&sentinel_password=other"
    )

    assert where is not None
    assert (where.addresses, where.has_tls, where.service) == ((("one", 26_379), ("::1", 5)), True, "service")
    assert where.options == {"username": "us", "password": "p@ss", "db": 2, "ssl_ca_certs": "/ca.pem"}
    assert where.sentinel == {"password": "other"}


def test_a_command_is_tried_twice_when_redis_hangs_up_and_once_when_it_is_silent() -> None:
    """The client library's default is eleven times with pauses between: 3.8 s for each command."""
    heard: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as rude:
        threading.Thread(target=_hang_up, args=(rude, heard), daemon=True).start()
        store = open_redis(f"redis://127.0.0.1:{rude.getsockname()[1]}", connections=1)
        with pytest.raises(StateDown, match="ConnectionError"):
            store.get(("a",), NOW)
        tried = len(heard)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = open_redis(f"redis://127.0.0.1:{silent.getsockname()[1]}", connections=1)
        for _ in range(3):
            with pytest.raises(StateDown, match="TimeoutError"):
                store.get(("a",), NOW)
        # RC-03: the threads are needed for what goes on without Redis.
        with pytest.raises(StateDown, match="in time"):
            _ = [_or_raise_in_time(store) for _ in range(10)]

    assert tried == 2


def _hang_up(rude: socket.socket, heard: list[int]) -> None:
    try:
        while True:
            connection, _ = rude.accept()
            heard.append(1)
            connection.close()
    except OSError:
        return


def _or_raise_in_time(store: RedisStore) -> None:
    """Pass over the time-outs of a machine so loaded that the next try was due already."""
    try:
        store.get(("a",), NOW)
    except StateDown as fault:
        if "in time" in str(fault):
            raise


def _or_down(store: RedisStore, key: str) -> Stored | None:
    try:
        return store.get((key,), NOW)[0]
    except StateDown:
        return None


# -- a Redis that forgets ------------------------------------------------------------------------------------------


@pytest.fixture
def with_store(app: Flask) -> Iterator[Flask]:
    parts = app.extensions["sesame"]
    living = parts["state"]
    with app.app_context():
        store_checks._seen.forget()
    yield app
    parts["state"] = living
    with app.app_context():
        store_checks._seen.forget()


def test_a_redis_that_evicts_stops_the_start_and_one_that_comes_later_keeps_the_node_unready(
    with_store: Flask, http: Browser
) -> None:
    with fleet() as servers:
        port = servers.start("--maxmemory-policy", "allkeys-lru")
        store = RedisStore(f"redis://127.0.0.1:{port}/0", connections=4)
        with_store.extensions["sesame"]["state"] = State(store)

        with pytest.raises(SystemExit, match="maxmemory-policy allkeys-lru: set noeviction"):
            server.refuse_unsound_stores(with_store)
        assert http.get("/healthz/ready").status_code == 503
        servers.ask(port, "CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert http.get("/healthz/ready").status_code == 200
        server.refuse_unsound_stores(with_store)
        store.close()


def test_a_redis_that_is_away_or_may_not_say_stops_nothing_rc_05(
    with_store: Flask, told: list[dict[str, object]]
) -> None:
    with_store.extensions["sesame"]["state"] = State(RedisStore("redis://127.0.0.1:1/0", connections=4))

    server.refuse_unsound_stores(with_store)
    with with_store.app_context():
        silent = list(
            store_checks.find_redis_faults({"redis": Told({}, None)}, with_store.extensions["sesame"]["settings"])
        )

    assert silent == []
    assert [line["event"] for line in told] == ["stores-unread", "redis-policy-unknown"]


def test_a_full_redis_refuses_and_forgets_no_counter_rc_04() -> None:
    with fleet() as servers:
        port = servers.start("--maxmemory-policy", "noeviction")
        store = RedisStore(f"redis://127.0.0.1:{port}/0", connections=4)
        store.bump("n.tries", NOW + 3600, NOW)
        servers.ask(port, "CONFIG", "SET", "maxmemory", "1")

        for act in (lambda: store.put("a", KEPT, NOW), lambda: store.bump("n.tries", NOW + 3600, NOW)):
            with pytest.raises(StateDown):
                act()
        kept = store.count("n.tries", NOW)
        servers.ask(port, "CONFIG", "SET", "maxmemory", "0")

        assert kept == 1
        assert store.bump("n.tries", NOW + 3600, NOW) == 2
        store.close()


def test_the_pools_of_all_processes_are_added_up(with_settings: object) -> None:
    ours = with_settings(  # type: ignore[operator]
        redis_url="redis://x", redis_pool=10, database_pool=5,
        fleet={"web_nodes": 4, "web_processes": 3, "surge_nodes": 1, "worker_processes": 2, "other_connections": 7},
    )  # fmt: skip

    demand = find_demand(ours)
    too_few, enough = store_checks.find_pool_faults(91, ours), store_checks.find_pool_faults(92, ours)
    clients = list(store_checks.find_redis_faults(
        {"redis": Told({"maxmemory_policy": "noeviction", "maxclients": "169"}, None)}, ours
    ))  # fmt: skip

    assert (demand.database, demand.redis) == (17 * 5 + 7, 170)
    assert "PostgreSQL allows 91 connections and the fleet may open 92: raise max_connections" in next(iter(too_few))
    assert not list(enough)
    assert "allows 169" in clients[0]

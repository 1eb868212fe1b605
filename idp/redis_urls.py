"""Where short-lived state is, as `redis_url` says it: one Redis, one behind Sentinel, or a Cluster.

    redis://user:password@host:6379/0                                     (rediss:// with TLS, unix:///path)
    redis+sentinel://user:password@one:26379,two:26379/service/0          (?sentinel_username=…&sentinel_password=…)
    redis+cluster://user:password@one:6379,two:6379

Each is `rediss+…` with TLS; `?ssl_ca_certs=/path` and the client library's other options can follow.
"""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.connection import SSLConnection
from redis.sentinel import Sentinel, SentinelConnectionPool

from idp.redis_connections import connection_options, greet

Address = tuple[str, int]
_PORTS = {"sentinel": 26_379, "cluster": 6_379}


class RedisUrlFault(ValueError):
    """The URL names no Redis; says why, without its password."""


@dataclass(frozen=True)
class Several:
    """Several Redis by one URL: which kind, where, and how to connect."""

    kind: str
    addresses: tuple[Address, ...]
    has_tls: bool
    service: str
    options: dict[str, Any]
    sentinel: dict[str, Any]


def parse_several(url: str) -> Several | None:
    """Return what ``url`` says of a Sentinel or Cluster, None for a single Redis, or raise `RedisUrlFault`."""
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    if not kind:
        return None
    if scheme not in {"redis", "rediss"} or kind not in _PORTS:
        raise RedisUrlFault("redis_url begins with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")
    who, _, hosts = parts.netloc.rpartition("@")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    sentinel = {name.removeprefix("sentinel_"): options.pop(name) for name in list(options) if "sentinel_" in name}
    user, _, password = who.partition(":")
    options |= {name: unquote(text) for name, text in (("username", user), ("password", password)) if text}
    service, _, number = parts.path.strip("/").partition("/")
    if kind == "sentinel" and not service:
        raise RedisUrlFault("redis_url names the service that Sentinel watches: redis+sentinel://host:26379/service/0")
    if kind == "cluster" and (service or number):
        raise RedisUrlFault("a Redis Cluster has no databases: redis_url ends after its addresses")
    if number and not number.isdecimal():
        raise RedisUrlFault("redis_url ends with the number of a database")
    if kind == "sentinel":
        options["db"] = int(number or 0)
    addresses = tuple(_address(host, _PORTS[kind]) for host in hosts.split(","))
    return Several(kind, addresses, scheme == "rediss", service, options, sentinel)


def _address(text: str, port: int) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        if not parts.hostname:
            raise RedisUrlFault("redis_url names a host")
        return parts.hostname, parts.port or port
    except ValueError as fault:
        raise RedisUrlFault("redis_url has a host or a port that cannot be read") from fault


def open_pool(url: str) -> redis.ConnectionPool:
    """Return who makes connections to the one Redis that ``url`` means now; nothing is connected yet."""
    where = parse_several(url)
    if where is not None:
        return _sentinel_pool(where)
    try:
        return redis.ConnectionPool.from_url(url, redis_connect_func=greet, **connection_options())
    except ValueError as fault:
        raise RedisUrlFault(f"redis_url cannot be used: {type(fault).__name__}") from None


def _sentinel_pool(where: Several) -> redis.ConnectionPool:
    """Return who makes connections to the primary that Sentinel names; each new connection asks anew."""
    common = connection_options()
    tls = {"ssl": True} if where.has_tls else {}
    authority = {name: value for name, value in where.options.items() if name.startswith("ssl_")}
    told = {**common, **tls, **authority, **where.sentinel}
    watchers = Sentinel(list(where.addresses), sentinel_kwargs=told)  # type: ignore[no-untyped-call]
    made = SentinelConnectionPool(  # type: ignore[no-untyped-call]
        where.service, watchers, redis_connect_func=greet, **common, **tls, **where.options
    )
    return cast(redis.ConnectionPool, made)


def node_pool(where: Several, address: Address) -> redis.ConnectionPool:
    """Return who makes connections to one node of a Cluster."""
    tls: dict[str, Any] = {"connection_class": SSLConnection} if where.has_tls else {}
    ours = {**connection_options(), "redis_connect_func": greet}
    return redis.ConnectionPool(host=address[0], port=address[1], **ours, **tls, **where.options)

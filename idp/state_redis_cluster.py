"""Short-lived state in a Redis Cluster: each command goes to the node that has its key's slot.

Every script of ours works on one key, so it runs wherever that key is: no hash tags are needed. What one Redis does in
one round trip for two keys takes two here, in the same order.
"""

import threading
from time import monotonic
from typing import Any

import redis
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from idp.redis_connections import Command, Connections
from idp.redis_urls import Address, Several, node_pool, parse_several
from idp.state import StateDown, Stored
from idp.state_redis import RedisStore, unpack

# Slots that move, nodes that follow each other: more than this is no cluster at work.
_TURNS = 6
_LOOK_AGAIN_AFTER = 0.5
_WITH_SCRIPT = frozenset({"EVAL", "EVALSHA"})


class ClusterStore(RedisStore):
    """A `Store` in a Redis Cluster."""

    def __init__(self, where: Several, *, prefix: str = "sesame:", connections: int = 32) -> None:
        self._prefix = prefix
        self._where, self._limit = where, connections
        self._seeds = where.addresses
        self._slots: dict[int, Address] = {}
        self._nodes: dict[Address, Connections] = {}
        self._lock = threading.Lock()
        self._looked_at = 0.0

    def get(self, keys: tuple[str, ...], now: float) -> tuple[Stored | None, ...]:
        found = self._ask(*(("GET", self._prefix + key) for key in keys))
        return tuple(unpack(raw, now) for raw in found)

    def ping(self) -> None:
        """Raise `StateDown` unless a node says that the cluster works."""
        for _address, told in self._ask_until_one_answers("CLUSTER", "INFO"):
            if "cluster_state:ok" in told:
                return
        raise StateDown("the cluster is down")

    def empty(self) -> None:
        self._everywhere(("FLUSHDB",))

    def close(self) -> None:
        for node in self._nodes.values():
            node.close()

    def _everywhere(self, *commands: Command) -> dict[str, list[Any]]:
        self._look()
        return {
            f"{host}:{port}": self._node((host, port)).ask(*commands)
            for host, port in sorted(set(self._slots.values()))
        }

    def _answers(self, *commands: Command) -> list[Any]:
        """Answer the commands in their order; what follows one that was sent elsewhere is asked again after it."""
        answers: list[Any] = []
        for _ in range(len(commands) + _TURNS):
            rest = commands[len(answers) :]
            if not rest:
                return answers
            address = self._address_of(rest[0])
            others = [n for n, command in enumerate(rest) if self._address_of(command) != address]
            run = list(rest[: others[0] if others else len(rest)])
            for command, answer in zip(run, self._ask_node(address, run), strict=True):
                if isinstance(answer, MovedError):
                    self._slots[_slot(command)] = (answer.host or address[0], answer.port)
                    break
                answers.append(self._follow(address, command, answer))
        raise StateDown("the slots of the cluster do not come to rest")

    def _ask_node(self, address: Address, commands: list[Command]) -> list[Any]:
        try:
            return self._node(address).ask(*commands)
        except StateDown:
            self._look()
            if self._address_of(commands[0]) == address:
                raise
            # A replica has taken its place; the caller finds it in the map.
            return self._ask_node(self._address_of(commands[0]), commands)

    def _follow(self, address: Address, command: Command, answer: Any) -> Any:
        """Ask once where a slot is going that is on its way; refuse while the cluster is down."""
        if isinstance(answer, AskError):
            return self._node((answer.host or address[0], answer.port)).ask(("ASKING",), command)[1]
        if isinstance(answer, ClusterDownError | TryAgainError):
            self._look()
            raise StateDown(type(answer).__name__)
        return answer

    def _address_of(self, command: Command) -> Address:
        slot = _slot(command)
        if slot not in self._slots:
            self._look()
        if slot not in self._slots:
            raise StateDown("no node has this slot")
        return self._slots[slot]

    def _node(self, address: Address) -> Connections:
        with self._lock:
            if address not in self._nodes:
                self._nodes[address] = Connections(node_pool(self._where, address), limit=self._limit)
            return self._nodes[address]

    def _look(self) -> None:
        """Learn anew which node has which slots, unless that was done a moment ago."""
        with self._lock:
            if self._slots and monotonic() - self._looked_at < _LOOK_AGAIN_AFTER:
                return
            self._looked_at = monotonic()
        for address, told in self._ask_until_one_answers("CLUSTER", "SLOTS"):
            found = {
                slot: (primary[0] or address[0], int(primary[1]))
                for first, last, primary, *_replicas in told
                for slot in range(int(first), int(last) + 1)
            }
            if found:
                self._slots = found
                return
        raise StateDown("no node of the cluster answers")

    def _ask_until_one_answers(self, *command: str) -> Any:
        for address in dict.fromkeys((*self._slots.values(), *self._seeds)):
            try:
                (told,) = self._node(address).ask(command)
            except StateDown:
                continue
            if not isinstance(told, redis.ResponseError):
                yield address, told


def _slot(command: Command) -> int:
    return key_slot(command[3 if command[0] in _WITH_SCRIPT else 1].encode())


def open_redis(url: str, *, connections: int) -> RedisStore:
    """Return the store that ``redis_url`` names, or raise `RedisUrlFault`; nothing is connected yet."""
    where = parse_several(url)
    if where is not None and where.kind == "cluster":
        return ClusterStore(where, connections=connections)
    return RedisStore(url, connections=connections)

"""The provider as a newcomer runs it: one node, everything it keeps and its log in files of one folder."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.drills.site import SETTINGS, Front, Node, Process, Site
from tests.messages.relay import Relay
from tests.messages.smsc import Smsc
from tests.servers import free_port


class SmallSite(Site):
    """A `Site` without servers for its stores, and without a worker of its own."""

    settings: Mapping[str, str] = {**SETTINGS, "IDP_OUTBOX__EMBEDDED_WORKER": "true"}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.relay, self.smsc = Relay(), Smsc()
        self.nodes: list[Node] = []
        self.workers: list[Process] = []
        self.secrets: dict[str, str] = {}
        self._made: list[Process] = []
        self._numbers = itertools.count(1)

    @contextmanager
    def running(self, nodes: int = 1, workers: int = 0) -> Iterator["SmallSite"]:
        """Start everything, and end it whatever happened."""
        with ExitStack() as stack:
            for server in (self.relay, self.smsc):
                stack.callback(server.stop)
                server.start()
            self.issuer = f"http://localhost:{free_port()}"
            self.app = self._prepare()
            stack.callback(self._close_app)
            self.nodes = [self.new_node("node")]
            self.front = Front(self.nodes, self.issuer)
            stack.callback(self.nodes[0].kill)
            self.nodes[0].start()
            self.nodes[0].wait_until_ready()
            yield self

    @property
    def environ(self) -> dict[str, str]:
        """Return what the node is told."""
        return self._environ(0, 0) | {"IDP_DATABASE_URL": f"sqlite:///{self.folder}/node.db", "IDP_REDIS_URL": ""}

    @property
    def environ_beside(self) -> dict[str, str]:
        """Return what the drill is told: the same."""
        return self.environ

"""A Redis and a PostgreSQL that a drill may stop, pause, kill and start again on the same port, empty or not."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Any

import psycopg
import redis

from tests.servers import POSTGRESQL_OPTIONS, free_port, postgresql_programs, stop, unprivileged, wait_for


class Server:
    """A process on a port that stays its own over restarts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def pause(self) -> None:
        """Stop it in the middle of whatever it does: connections stay, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word to anybody."""
        if self.process is not None:
            self._signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    @property
    def _log(self) -> Path:
        return self.folder.with_suffix(".log")

    def _open_log(self) -> IO[bytes]:
        return self._log.open("ab")


class Redis(Server):
    """One Redis; it writes nothing to disk unless `save` is called."""

    def start(self, *, empty: bool = True) -> "Redis":
        """Listen, with what `save` kept, or with nothing."""
        if empty:
            (self.folder / "dump.rdb").unlink(missing_ok=True)
        with self._open_log() as log:
            self.process = subprocess.Popen(
                ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder, "--save", "",
                 "--appendonly", "no", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"],
                stdout=log, stderr=log,
            )  # fmt: skip
        wait_for(self.process, self._log, lambda: self.ask("PING"), redis.RedisError)
        return self

    def save(self) -> None:
        """Write what there is to disk, for a start that is not empty."""
        self.ask("SAVE")

    def follow(self, primary: int) -> None:
        """Become the replica of the Redis on another port, and wait until it has everything."""
        self.ask("REPLICAOF", "127.0.0.1", primary)
        ends_at = time.monotonic() + 20
        while "master_link_status:up" not in self.ask("INFO", "replication"):
            assert time.monotonic() < ends_at, "the replica does not follow"
            time.sleep(0.05)

    def promote(self) -> None:
        """Become a primary, with whatever has arrived."""
        self.ask("REPLICAOF", "NO", "ONE")

    def ask(self, *command: Any) -> Any:
        """Run one command."""
        with redis.Redis(port=self.port, socket_timeout=5, protocol=2) as client:
            client.response_callbacks.clear()
            answer = client.execute_command(*command)
        return answer.decode() if isinstance(answer, bytes) else answer


class Postgresql(Server):
    """One PostgreSQL cluster."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._programs, self._identity = postgresql_programs(), unprivileged(folder)
        subprocess.run(
            [self._programs / "initdb", "--pgdata", folder / "data", "--username=sesame", "--auth=trust",
             "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, **self._identity,
        )  # fmt: skip

    def start(self, **options: str) -> "Postgresql":
        """Listen; ``options`` are settings of this start."""
        settings = [*POSTGRESQL_OPTIONS, *(f"{name}={value}" for name, value in options.items())]
        with self._open_log() as log:
            self.process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-k", self.folder,
                 *(part for setting in settings for part in ("-c", setting))],
                stdout=log, stderr=log, cwd=self.folder, **self._identity,
            )  # fmt: skip
        wait_for(self.process, self._log, lambda: self.ask("SELECT 1"), psycopg.Error)
        return self

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT is a fast shutdown, SIGQUIT leaves everything as a crash does."""
        if self.process is not None:
            stop(self.process, how)
            self.process = None

    def ask(self, statement: str, database: str = "postgres") -> Any:
        """Run one statement; return its rows, if it has any."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else None

    def connect(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        """Return a connection that commits by itself."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="sesame", dbname=database, connect_timeout=2, autocommit=True
        )

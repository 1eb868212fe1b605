"""Servers under load: how each is started, how long that takes, how it is stopped."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.flows import Target
from bench.machine import wait_until_it_answers

# Seconds; a busy machine takes a minute for what should be two seconds, and that is a figure, not a fault.
_ANSWERS_WITHIN = 240


@dataclass(frozen=True)
class Program:
    """A command, where and with what environment it runs, and the address at which it answers, if it serves one."""

    command: tuple[str, ...]
    folder: Path
    environ: Mapping[str, str]
    url: str = ""


@dataclass(frozen=True)
class Running:
    """A provider that answers."""

    target: Target
    pid: int
    program: Program
    # What mails the codes, if that is a process of its own: it runs while sign-ins are measured.
    worker: Program | None = None


@contextmanager
def started(program: Program) -> Iterator[tuple[int, float]]:
    """Run a program; give its pid, and the seconds from the start of the process to its first answer.

    Raises `RuntimeError` when it does not answer, with the end of what it had to say.
    """
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(
            program.command, cwd=program.folder, env=dict(program.environ), stdout=said, stderr=said
        )
        try:
            took = 0.0
            if program.url:
                took = wait_until_it_answers(program.url, lambda: server.poll() is None, within=_ANSWERS_WITHIN)
            yield server.pid, took
        except RuntimeError as fault:
            said.seek(max(0, said.tell() - 2000))
            fault.add_note(said.read().decode(errors="replace"))
            raise
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(40)

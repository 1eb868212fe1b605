"""A small disk of its own, in memory, that can be filled to the last octet and freed again."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.drills.site import wait_until

_PIECE = 65_536


class Volume:
    """A mounted file system; `path` is where."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Leave no room, not even for a single octet."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (_PIECE, 1):
                with pytest.raises(OSError, match="No space left"):
                    _write_on(ballast, size)

    def free(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink(missing_ok=True)


def _write_on(file: IO[bytes], size: int) -> None:
    while True:
        file.write(b"\0" * size)


@contextmanager
def small_volume(path: Path, mebibytes: int) -> Iterator[Volume]:
    """Mount one, and unmount it: whoever has files open there must have ended by then. Only root can."""
    path.mkdir(mode=0o711)
    words = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0711", "sesame-drill", str(path)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    try:
        yield Volume(path)
    finally:
        # Whoever was killed still closes files.
        unmount = ["umount", str(path)]
        wait_until(
            lambda: subprocess.run(unmount, capture_output=True, check=False).returncode == 0, 20, "still in use"
        )

"""Whether this node is about to stop: it says so first, and goes on answering while the proxy looks elsewhere (RC-27).

The process that serves and its workers know by a file, whose place the workers inherit.
"""

import os
import tempfile
from pathlib import Path

_PLACE = "SESAME_LEAVING"


def prepare() -> None:
    """Choose the file, before any worker is started."""
    os.environ[_PLACE] = str(Path(tempfile.mkdtemp(prefix="sesame-leaving-")) / "leaving")


def leave() -> None:
    """Tell every worker of this node to be unready."""
    Path(os.environ[_PLACE]).touch()


def forget() -> None:
    """Remove the file and its folder."""
    place = Path(os.environ[_PLACE])
    place.unlink(missing_ok=True)
    place.parent.rmdir()


def is_leaving() -> bool:
    """Tell whether this node is about to stop."""
    place = os.environ.get(_PLACE)
    return place is not None and os.path.exists(place)

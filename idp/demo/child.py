"""One process of the demonstration: the provider, or a script such as the relying party.

It ends with its parent, however that ends: the parent holds the other end of its standard input.
"""

import os
import runpy
import signal
import sys
import threading


def _stop_with_parent() -> None:
    # A thread that is inside sys.stdin when the interpreter ends makes it abort: read the descriptor itself.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main(what: str, argument: str) -> None:
    """Serve the provider on a port, or run the script at a path."""
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    if what == "provider":
        # Here, not above: the relying party has no use for the provider's code, and loading it takes a second.
        from idp import create_app, server

        server.serve(create_app(), host="127.0.0.1", port=int(argument), workers=1, threads=8)
    else:
        sys.argv = [argument]
        runpy.run_path(argument, run_name="__main__")


# Granian's workers import this module again under another name.
if __name__ == "__main__":
    main(*sys.argv[1:])

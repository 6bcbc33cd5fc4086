"""matplotlib without the tables of properties that it writes into the documentation of its classes in its import.

They take a fifth of its import, and nobody reads them in a command's process.
"""

from __future__ import annotations

import sys


def leave_out_tables() -> None:
    """Import the part of matplotlib that makes them, and let it make empty ones; unless all of it is there already."""
    if "matplotlib.figure" not in sys.modules:
        import matplotlib.artist

        matplotlib.artist.kwdoc = _no_table


def _no_table(artist: object) -> str:
    """In place of `matplotlib.artist.kwdoc`."""
    del artist
    return ""

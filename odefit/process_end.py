"""A command's process, from its first import to its end, as short as its work allows."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from odefit import metadata_later

COLLECTED_AFTER = 250_000
"""New objects after which garbage is looked for. Imports alone make 110,000, and Python's own 700 hundreds of times."""


def run_and_end(main: Callable[[], None]) -> NoReturn:
    """Run a command and end the process with its exit code.

    To take modules down one by one, as Python does in the end, takes as long as to import NumPy. Nothing is left to do
    for a process without other threads, once its exit handlers have run and its output is out.

    Parameters
    ----------
    main
        The command, which raises SystemExit with a number.
    """
    gc.set_threshold(COLLECTED_AFTER, 20, 20)
    # NumPy's matrices are small here: to start and wait for a thread per core costs as much as NumPy's import, and
    # sums come out alike on every machine. PyTorch has threads of its own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Configs have no use for plugins of pydantic, for which it would look through every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    metadata_later.put_off()
    _open_streams()
    try:
        main()
        code = 0
    except SystemExit as end:
        if not isinstance(end.code, int) or threading.active_count() > 1:
            raise
        code = end.code
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # The reader may have gone, or the stream be closed.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _open_streams() -> None:
    """What is written to a stream that the caller has closed (`odefit check … >&-`) goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 to the end of the process

"""Commands of odefit in processes with little time and little memory: what a stranger's files may cost.

Run as a program it reads cases from its standard input and answers on its standard output, both JSON. Everything is
imported once; each case has a process of its own, forked from there, in its own folder.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import odefit

MEMORY = 1 << 30
"""Bytes beyond what the imports take."""
SECONDS = 20
OUTPUT = 20_000


@dataclass(frozen=True)
class Outcome:
    """code: of the exit, or None where the process was ended by a limit. text: what it printed. seconds: it took."""

    code: int | None
    text: str
    seconds: float


def outcomes(cases: list[tuple[Path, list[str]]]) -> list[Outcome]:
    """Run `odefit ARGUMENTS` in each folder, one after the other."""
    asked = json.dumps([[str(folder), arguments] for folder, arguments in cases])
    # The odefit that this process has is the one to be tested.
    paths = os.pathsep.join([str(Path(odefit.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths.rstrip(os.pathsep)}
    done = subprocess.run(
        [sys.executable, __file__], input=asked, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return [Outcome(*answer) for answer in json.loads(done.stdout)]


def _main() -> None:
    cases = json.load(sys.stdin)
    import scipy.interpolate
    import scipy.special  # noqa: F401
    import torch

    import odefit.cli
    import odefit.engines.diffsol_engine
    import odefit.engines.torch_engine
    import odefit.plots.draw
    import odefit.runs.checking
    import odefit.runs.run  # noqa: F401

    torch.set_num_threads(1)
    json.dump([_forked(folder, arguments) for folder, arguments in cases], sys.stdout)


def _forked(folder: str, arguments: list[str]) -> tuple[int | None, str, float]:
    reading, writing = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(folder, arguments, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    code, text = json.loads(answer) if answer else (None, "ended by a limit")
    return code, text, time.monotonic() - begun


def _child(folder: str, arguments: list[str], writing: int) -> None:
    said = io.StringIO()
    code: Any = None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        signal.alarm(SECONDS)
        os.chdir(folder)
        sys.argv = ["odefit", *arguments]
        warnings.simplefilter("error")
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                odefit_main()
            except SystemExit as ended:
                code = ended.code or 0
    except BaseException as error:
        said.write(repr(error))
        code = 99
    finally:
        os.write(writing, json.dumps([code, said.getvalue()[-OUTPUT:]]).encode())
        os._exit(0)


def odefit_main() -> None:
    from odefit import cli

    cli.main()


if __name__ == "__main__":
    _main()

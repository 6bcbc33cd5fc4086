"""Commands of odefit in processes with little time and little memory: what a stranger's files may cost.

Run as a program it reads cases from its standard input and answers on its standard output, both lines of JSON.
Everything is imported once; each case has a process of its own, forked from there, in its own folder.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import os
import resource
import signal
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import ask, server

HAS_TORCH = importlib.util.find_spec("torch") is not None
IMPORTS = (
    *("pydantic.type_adapter", "pydiffsol", "scipy.interpolate", "scipy.special", "odefit.cli"),
    *("odefit.engines.diffsol.diffsol_engine", *(["odefit.engines.torch_engine"] if HAS_TORCH else [])),
    *("odefit.plots.draw", "odefit.diagnostics.checking", "odefit.fitting.run"),
)
MEMORY = 1 << 30
"""Bytes beyond what the imports take."""
SECONDS = 20
"""Of the processor, which a busy machine does not shorten; most of the corpus needs some hundredths."""
WAIT = 600
"""Seconds by the clock, for what would wait and do nothing."""
OUTPUT = 20_000


@dataclass(frozen=True)
class Outcome:
    """code: of the exit, or None where the process was ended by a limit. text: what it printed."""

    code: int | None
    text: str


def outcome(folder: Path, arguments: list[str]) -> Outcome:
    """Of `odefit ARGUMENTS` in this folder."""
    return Outcome(*ask(server(__file__), [str(folder), arguments]))


def _main() -> None:
    for name in IMPORTS:
        importlib.import_module(name)
    if HAS_TORCH:
        import torch

        torch.set_num_threads(1)
    for line in sys.stdin:
        print(json.dumps(_forked(*json.loads(line))), flush=True)


def _forked(folder: str, arguments: list[str]) -> tuple[int | None, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(folder, arguments, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    code, text = json.loads(answer) if answer else (None, "ended by a limit")
    return code, text


def _child(folder: str, arguments: list[str], writing: int) -> None:
    said = io.StringIO()
    code: Any = None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime) + SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        signal.alarm(WAIT)
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

"""What the timings share: rounds that alternate between the competitors, and plain tables."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def best_times(tasks: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Seconds of each task: the shortest of `rounds` turns, which the tasks take one after the other.

    On a machine that does other work as well, the shortest turn is the one that was disturbed least.
    """
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            best[name] = min(best[name], seconds(task))
    return best


def environment_of(build: Path) -> dict[str, str]:
    """The environment of a process that runs a build as users do: compiled modules are kept (`__pycache__`)."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": os.pathsep.join((str(build), kept.get("PYTHONPATH", ""))), "MPLBACKEND": "Agg"}


def seconds(task: Callable[[], Any]) -> float:
    """How long one call takes."""
    begun = time.perf_counter()
    task()
    return time.perf_counter() - begun


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A Markdown table, so that what is printed can be pasted into README.md."""
    texts = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in texts]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    print(f"\n{title}\n", *lines, sep="\n", flush=True)


def duration(value: float) -> str:
    """1.2 s, 34 ms or 0.56 ms."""
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def times_less(value: float) -> str:
    """How many times less time: `340 x`."""
    return f"{value:.0f} x" if value >= 10 else f"{value:.2g} x"


def describe_machine(*packages: str) -> None:
    """The line that belongs above every table."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}")
    for package in ("odefit", "numpy", "scipy", "pydiffsol", *packages):
        try:
            print(f"{package} {importlib.metadata.version(package)}", end="; ")
        except importlib.metadata.PackageNotFoundError:
            print(f"{package} not installed", end="; ")
    print(flush=True)


def missing(*modules: str) -> bool:
    """Whether a peer cannot be imported; says so."""
    for module in modules:
        try:
            __import__(module)
        except ImportError:
            print(f"{module} is not installed: left out", file=sys.stderr)
            return True
    return False

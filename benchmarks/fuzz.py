"""The strategies of tests/support/fuzz_*.py, as many examples as one likes and other ones every time.

    python benchmarks/fuzz.py [--examples 10000] [--seed 0] [--only configs formulas tables events workbooks]

Each example has ten seconds (where the system has alarms), and a warning is an error. What fails is shrunk and shown.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from hypothesis import HealthCheck, given, seed, settings

import fuzz_cases
import fuzz_event_tables
import fuzz_workbooks

SECONDS = 10


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """A TimeoutError after ten seconds: code that hangs is a finding."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzz(name: str, strategy: Any, check: Callable[[Any], None], examples: int, start: int) -> bool:
    """Whether all went well."""
    counts: Counter[str] = Counter()
    longest, slowest = 0.0, None

    @seed(start)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(example=strategy)
    def one(example: Any) -> None:
        nonlocal longest, slowest
        begun = time.process_time()
        counts["examples"] += 1
        with limited():
            check(example)
        seconds = time.process_time() - begun
        if seconds > longest:
            longest, slowest = seconds, example

    begun = time.perf_counter()
    fine = True
    try:
        one()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        fine = False
        for found in getattr(error, "exceptions", (error,)):
            place = traceback.extract_tb(found.__traceback__)[-1]
            print(f"{name}: {type(found).__name__}: {found} ({place.filename}:{place.lineno})")
            print(*getattr(found, "__notes__", []), sep="\n")
    seconds = time.perf_counter() - begun
    print(f"{name}: {counts['examples']} examples in {seconds:.0f} s, the longest {longest:.2f} s", flush=True)
    print(f"  {str(slowest)[:400]}", flush=True)
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=["configs", "formulas", "tables", "events", "workbooks"])
    chosen = parser.parse_args()
    for module in (
        "torch",
        "odefit.engines.torch_engine",
        "odefit.engines.diffsol.diffsol_engine",
        "scipy.interpolate",
    ):
        importlib.import_module(module)  # no example's time
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in fuzz_cases.FILES.items():
            (folder / file).write_text(text)
        kinds: dict[str, tuple[Any, Callable[[Any], None]]] = {
            "configs": (fuzz_cases.configs(), lambda document: fuzz_cases.check_config(document, folder)),
            "formulas": (fuzz_cases.formulas(), fuzz_cases.check_formula),
            "events": (
                fuzz_event_tables.event_tables(),
                lambda data: fuzz_event_tables.check_event_table(data, folder),
            ),
            "tables": (fuzz_cases.tables(), lambda table: fuzz_cases.check_table(*table, folder)),
            "workbooks": (fuzz_workbooks.workbooks(), lambda book: fuzz_workbooks.check_workbook(book, folder)),
        }
        found = [fuzz(kind, *kinds[kind], chosen.examples, chosen.seed) for kind in chosen.only]
    sys.exit(not all(found))


if __name__ == "__main__":
    main()

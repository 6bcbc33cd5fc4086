"""What a plain command may not import: each of these takes as long as the work itself."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("sympy", "scipy", "torch", "pandas", "matplotlib", "pebble", "PIL")
RARE = (
    *("rich", "asyncio", "xml", "email", "socket", "numpy.ma", "numpy.polynomial"),
    *("odefit.model.built_in", "odefit.html", "odefit.engines.kernel.rosenbrock", "odefit.objective.priors"),
    *("odefit.linalg.arrow_matrix", "odefit.problem.trajectories", "odefit.data.joining"),
    *("odefit.config.messages", "odefit.config.latent_section", "odefit.config.network_section"),
    *("odefit.config.plots_section", "odefit.config.prior_section", "odefit.config.event_section"),
)
RARE_IN_FITS = ("odefit.engines.segments.segmented_engine", "odefit.fitting.budget", "odefit.fitting.cross_validation")
PROGRAM = """
import atexit
import sys
import odefit.cli
sys.argv = ["odefit", *sys.argv[1:]]
atexit.register(lambda: print("imported:", *sorted(set(%r) & set(sys.modules))))
odefit.cli.run()
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "configs/lynx_hare.yaml"),
        ("fit", "configs/lynx_hare.yaml", "--no-plots", "--set", "fit.starts=1"),
        ("simulate", "configs/van_der_pol.yaml"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_plain_command_imports_what_it_needs(arguments: tuple[str, ...], tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    place = ("--out", str(tmp_path / "out")) if arguments[0] != "check" else ()
    names = HEAVY if arguments[0] == "simulate" else (*HEAVY, *RARE, *RARE_IN_FITS)
    command = [sys.executable, "-c", PROGRAM % (names,), *arguments, *place]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["imported:"]


def test_the_pictures_of_a_fit_need_matplotlib_alone(tmp_path: Path) -> None:
    code = PROGRAM % (tuple(name for name in HEAVY if name not in ("matplotlib", "PIL")),)
    command = [sys.executable, "-c", code, "fit", "configs/lynx_hare.yaml", "--out", str(tmp_path / "out")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "plots" / "time_series.png").is_file()
    assert done.stdout.splitlines()[-1].split() == ["imported:"]


@pytest.mark.parametrize("first", ["", "import matplotlib.figure"])
def test_tables_of_properties_are_left_out_of_what_is_not_imported_yet(first: str) -> None:
    code = f"""
{first}
from odefit.plots.undocumented import leave_out_tables
leave_out_tables()
from matplotlib.figure import Figure
print("Properties:" in Figure.set.__doc__, Figure(figsize=(2, 1)).set(dpi=50))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == f"{bool(first)} [None]\n"


def test_metadata_are_imported_when_something_of_them_is_used() -> None:
    """pydantic and others take functions out of the module; only calls, and other names, need what it is made of."""
    code = """
import importlib, sys
from odefit import metadata_later
metadata_later.put_off()
import importlib.metadata
from importlib.metadata import entry_points
from importlib.util import find_spec
print("email" in sys.modules, find_spec("importlib.metadata").name, "email" in sys.modules)
scripts = entry_points(group="console_scripts")
from importlib.metadata import PackageNotFoundError, version
real = importlib.metadata
metadata_later.put_off()
same = list(real.entry_points(group="console_scripts")) == list(scripts)
print(same, version("numpy"), sys.modules[real.__name__] is real)
del sys.modules[real.__name__], sys.modules["importlib.metadata._meta"]
metadata_later.put_off()
import importlib.metadata._meta
print(importlib.metadata._meta.__name__, importlib.metadata.version("numpy"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    numpy = importlib.metadata.version("numpy")
    expected = f"False importlib.metadata False\nTrue {numpy} True\nimportlib.metadata._meta {numpy}\n"
    assert (done.stdout, done.stderr) == (expected, "")


def test_metadata_that_are_put_off_are_taken_by_a_star() -> None:
    code = """
from odefit import metadata_later
metadata_later.put_off()
from importlib.metadata import *
print(version("numpy") == metadata("numpy")["Version"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("first", ["", "import pydantic_core"])
def test_types_of_schemas_are_left_out_of_what_is_not_imported_yet(first: str) -> None:
    """Typed dictionaries of others are what they were, and pydantic checks them."""
    code = f"""
import typing, typing_extensions
before = typing.TypedDict, typing_extensions.TypedDict
{first}
from odefit.undescribed_schemas import leave_out_types
leave_out_types()
from pydantic import TypeAdapter
from pydantic_core.core_schema import IntSchema
from odefit.config.json_schema import SCHEMA_FILE, schema_text
print("le" in getattr(IntSchema, "__optional_keys__", ()), (typing.TypedDict, typing_extensions.TypedDict) == before)
print(TypeAdapter(typing_extensions.TypedDict("Pair", {{"a": int}})).validate_python({{"a": "1"}}))
print(schema_text() == SCHEMA_FILE.read_text(encoding="utf-8"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == f"{bool(first)} True\n{{'a': 1}}\nTrue\n"


def test_help_needs_no_numbers() -> None:
    code = PROGRAM % (("numpy", "pydantic", *HEAVY),)
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.splitlines()[-1].split() == ["imported:"]


def test_the_end_of_a_command_keeps_its_code_and_its_output(tmp_path: Path) -> None:
    """`python -m odefit.cli` ends without taking everything down; exit handlers run, and what was printed is there."""
    code = "import atexit; atexit.register(print, 'handled'); from odefit.cli import run; run()"
    command = [sys.executable, "-c", code, "check", str(tmp_path / "none.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert done.stdout == "handled\n"
    assert "none.yaml" in done.stderr

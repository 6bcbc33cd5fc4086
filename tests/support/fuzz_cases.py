"""What the fuzzing tests are made of: strategies for configs, formulas and CSV files, and what must hold of each.

A config or a table starts as a valid one, of every kind there is, and is then changed in some places: most of what
comes out is nearly right, which is where faults hide. `tests/cli/test_fuzz.py` takes a few hundred of each,
`benchmarks/fuzz.py` as many as one likes.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st

from odefit.config.load import load_config
from odefit.config.model_section import LATENT_ODE
from odefit.data.dose_table import read_doses
from odefit.data.experiment_table import read_conditions
from odefit.data.inputs import read_input
from odefit.data.tables import read_table
from odefit.errors import InputError, ModelError, SolveError
from odefit.latent.task import prepare_latent
from odefit.model.derivatives import derivatives
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function
from odefit.problem.preparation import prepare

FILES = {
    "d.csv": "time,x,y\n0,1,2\n1,0.8,\n2,<0.6,1.5\n3,0.5,1.4\n",
    "long.csv": "experiment,time,observable,value,sigma\nA,0,x,1,0.1\nA,1,x,0.8,0.1\nA,1,x,0.7,0.1\nB,0,y,2,0.2\n"
    "B,1,y,1,0.2\nB,0,x,1,0.1\nA,0,y,2,0.1\n",
    "many.csv": "time;x;y;experiment\n0;1;2;A\n1;0.5;2;A\n0;1;2;B\n1;0.5;2;B\n2;0.5;1;B\n0;3;1;B#2\n1;1;1;B#2\n",
    "table.csv": "experiment,T,genotype,start,x_0\nA,20,wt,-1,1\nB,30,mutant,,2\n",
    "doses.csv": "experiment,time,state,amount,duration,every,count\nA,0,x,1,,,\nB,0.5,y,2,0.5,,\n,0,x,1,0,0.1,3\n",
    "u.csv": "experiment,time,u,v\n,-1,1,0\n,1,2,\n,3,0,4\nB,-1,1,1\nB,2,2,2\n",
}
MODEL = {"equations": {"x": "-k*x + y", "y": "-a*y"}, "initial": {"x": "estimate", "y": 1}}
CONFIGS: tuple[dict[str, Any], ...] = (
    {
        "title": "plain",
        "model": MODEL,
        "parameters": {"k": {"value": 0.5, "bounds": [0, 3], "scale": "log", "unit": "1/s"}, "a": 0.2},
        "data": {"csv": "d.csv", "columns": {"x": "x"}, "time": "time", "hold_out": {"fraction": 0.3}},
        "noise": {"x": {"model": "student_t", "df": 3}, "y": "laplace"},
        "solver": {"method": "bdf", "rtol": 1e-5, "atol": 1e-7},
        "fit": {"method": "lbfgs", "starts": 3, "seed": 1, "max_iterations": 50},
    },
    {
        "model": {**MODEL, "observables": {"x": "x", "y": "scale*y"}, "units": {"x": "mM", "t": "h"}},
        "parameters": {
            "k": {"value": 0.5, "by": "experiment", "prior": {"lognormal": [0.5, 1]}},
            "a": {"value": 0.2, "by": {"one": ["A"], "two": ["B"]}},
            "scale": "2*b",
            "x_0": {"value": 1, "by": "experiment"},
            "b": {"value": 1, "prior": {"normal": [1, 0.5]}, "estimate": True},
        },
        "data": {"csv": "long.csv", "only": ["A", "B"], "ignore": ["z"], "hold_out": {"after": 0.5}},
        "noise": {"x": {"sigma": "column"}, "y": {"model": "additive_proportional", "proportional": 0.1}},
    },
    {
        "model": {**MODEL, "equations": {"x": "-k*T*x + u", "y": "-a*y + v"}, "initial": {"y": "estimate"}},
        "parameters": {"k": {"value": 0.5, "by": "genotype"}, "a": 0.2},
        "data": {
            "csv": "many.csv",
            "experiments": "table.csv",
            "doses": {"csv": "doses.csv", "lag": "0.1*a", "fraction": 0.5},
            "inputs": {"u": "u.csv", "v": {"csv": "u.csv", "interpolation": "previous"}},
            "hold_out": {"after": 1},
        },
        "noise": "lognormal",
    },
    {
        "model": {
            "equations": {"x": "piecewise(k, t < tau, -k*x)", "y": "heaviside(t - 1) - y"},
            "initial": {"x": "k/a", "y": 0},
            "events": [{"time": [1, "tau"], "set": {"x": "x/2", "y": 0}}],
            "steady_state": {"k": "a"},
        },
        "parameters": {"k": 1, "a": {"value": 2, "estimate": False}, "tau": {"value": 1.5, "bounds": [1, 2]}},
        "data": {
            "csv": "d.csv",
            "experiments": {"1": {"c": 3, "start": -1}},
            "doses": [{"time": 1, "amount": 2, "state": "x", "every": 0.5, "count": 3, "duration": 0.1}],
        },
        "fit": {"method": "adam", "epochs": 5, "loss": "nll", "schedule": {"kind": "cosine"}, "batch_size": 1},
    },
    {
        "model": {"name": "lotka_volterra"},
        "parameters": {"alpha": {"value": 0.5, "scale": "logit", "bounds": [0, 2]}},
        "data": {
            "simulate": {
                "parameters": {"alpha": 0.6},
                "times": {"start": 0, "stop": 2, "count": 5},
                "experiments": 2,
                "spread": 0.1,
                "noise": "poisson",
                "seed": 3,
            }
        },
        "noise": {"model": "negative_binomial", "dispersion": 0.2},
    },
    {
        "model": {"name": "mlp", "states": ["x", "y"], "hidden": [3, 2], "activation": "tanh", "time_input": True},
        "data": {"csv": "d.csv", "start": 0},
        "solver": {"method": "rk4", "step": 0.5, "dtype": "float32"},
        "fit": {
            "method": "adam",
            "epochs": 2,
            "learning_rate": 0.01,
            "gradient_clip": 1.0,
            "weight_decay": 0.1,
            "match": 3,
            "windows": {"points": [2, 3], "random": True},
            "horizon": {"shares": [0.3], "epochs": [2]},
        },
    },
    {
        "model": {
            "name": "latent_ode",
            "measured": ["x", "y"],
            "hidden": [4],
            "latent": {"dimension": 3, "constants": 1, "refine": 1, "observed": 1.0, "own_scale": True, "starts": 2},
        },
        "data": {"csv": "many.csv"},
        "fit": {"method": "adam", "epochs": 2, "batch_size": 2, "schedule": {"kind": "cosine"}},
    },
    {
        "model": {"name": "latent_ode", "measured": ["x", "y"], "latent": {"decoder": [], "times_per_step": 2}},
        "data": {"spirals": {"series": 4, "times": 5, "end": 3.0, "noise": 0.1, "seed": 1}},
        "solver": {"method": "rk4", "step": 0.5},
    },
)

NUMBERS = (
    0,
    1,
    -1,
    2,
    0.5,
    -0.0,
    1e-320,
    1e-9,
    1e9,
    1e300,
    1.7e308,
    -1e308,
    2**63,
    10**250,
    math.nan,
    math.inf,
    -math.inf,
)
TEXTS = (
    *(
        "x",
        "y",
        "k",
        "a",
        "A",
        "B",
        "t",
        "",
        " ",
        "estimate",
        "first",
        "column",
        "experiment",
        "genotype",
        "x_0",
        "k[A]",
    ),
    *(
        "d.csv",
        "long.csv",
        "u.csv",
        "doses.csv",
        "table.csv",
        "many.csv",
        ".",
        "..",
        "nowhere.csv",
        "/dev/null",
        "a\0b",
    ),
    *(
        "-k*x",
        "x/0",
        "sqrt(-k)",
        "log(x)",
        "k^k^k",
        "2*k",
        "exp(exp(x))",
        "1e400",
        "u",
        "x <",
        "piecewise(1, x > 1, 2)",
    ),
    *("lognormal", "poisson", "gaussian", "adam", "rk4", "dopri5", "tsit45", "lorenz", "mlp", "linear", "é", "\x1b[2J"),
    *("a\nb", "\u202e", "None", "true", "[1, 2]", "{a: 1}", "__class__", "A#2", "sigma_x", "<0.5", "1,5", "nan"),
)
KEYS = (
    *("model", "equations", "initial", "observables", "events", "steady_state", "units", "name", "states", "hidden"),
    *(
        "parameters",
        "value",
        "bounds",
        "scale",
        "estimate",
        "prior",
        "unit",
        "by",
        "formula",
        "normal",
        "on",
        "uniform",
    ),
    *("data", "csv", "time", "experiment", "columns", "only", "ignore", "start", "simulate", "experiments", "doses"),
    *("inputs", "hold_out", "fraction", "after", "lag", "table", "state", "amount", "every", "count", "interpolation"),
    *(
        "noise",
        "sigma",
        "proportional",
        "dispersion",
        "df",
        "solver",
        "method",
        "rtol",
        "step",
        "fit",
        "starts",
        "folds",
    ),
    *("latent", "measured", "spirals", "horizon", "windows", "match", "rate", "refine", "constants", "observed"),
    *("x", "y", "k", "a", "A", "B", "1", "", "é", "\x1b", "a\nb", "<<"),
)
Document = dict[str, Any]

scalars = st.one_of(
    st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.floats(), st.integers(-9, 9)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=5,
)


def places(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys of every value below the top."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


def holder(document: Any, keys: tuple[Any, ...]) -> Any:
    for key in keys[:-1]:
        document = document[key]
    return document


@st.composite
def configs(draw: st.DrawFn) -> Document:
    """A valid config with some of its values, keys or branches changed, dropped, moved or added."""
    document = copy.deepcopy(draw(st.sampled_from(CONFIGS)))
    for _ in range(draw(st.integers(0, 3))):
        known = list(places(document))
        if not known:
            break
        keys = draw(st.sampled_from(known))
        inside = holder(document, keys)
        match draw(st.sampled_from(["change", "number", "text", "drop", "move", "add", "borrow"])):
            case "change":
                inside[keys[-1]] = draw(values)
            case "number":
                inside[keys[-1]] = draw(st.sampled_from(NUMBERS))
            case "text":
                inside[keys[-1]] = draw(st.sampled_from(TEXTS))
            case "drop":
                del inside[keys[-1]]
            case "move" if isinstance(inside, dict):
                inside[draw(st.sampled_from(KEYS))] = inside.pop(keys[-1])
            case "add" if isinstance(inside, dict):
                inside[draw(st.sampled_from(KEYS))] = draw(values)
            case "borrow":
                other = draw(st.sampled_from(CONFIGS))
                section = draw(st.sampled_from(sorted(other)))
                document[section] = copy.deepcopy(other[section])
    return document


def check_config(document: Document, folder: Path) -> None:
    """A problem, or an InputError with a place and one line for each fault, or (of simulated data) a SolveError."""
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    try:
        loaded = load_config(path)
        if loaded.config.model.name == LATENT_ODE:
            task = prepare_latent(loaded)
            assert len(task.aside) < len(task.measured)
            return
        assembly, _ = prepare(loaded)
    except InputError as error:
        check_faults(error)
        return
    except SolveError:
        assert isinstance(document.get("data"), dict)
        assert "simulate" in document["data"]
        return
    table = assembly.problem.table
    u = table.to_search(table.values)
    assert np.isfinite(table.values).all()
    assert not np.isnan(u).any()
    low, high = table.search_bounds()
    assert ((low <= u) & (u <= high)).all()


def check_faults(error: InputError) -> None:
    assert 0 < len(error.faults) < 2000
    for fault in error.faults:
        assert fault.what
        # A formula is shown on lines of its own, with a caret.
        lines = [line for line in str(fault).split("\n") if not line.startswith("    ")]
        assert len(lines) == 1, fault
        assert all(line.isprintable() for line in str(fault).split("\n")), fault
        assert len(str(fault)) < 3000


# -- formulas

ATOMS = ("x", "y", "k", "t", "pi", "e", "0", "1", "2", "3", "0.5", "1e-9", "1e9", "1e308", "17", "x_0", "no")
UNARY = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "exp", "log")
UNARY += ("log10", "log2", "sqrt", "abs", "sign", "heaviside", "sigmoid", "ln", "arctan", "-", "not ")
BINARY = ("+", "-", "*", "/", "^", "**", " < ", " <= ", " == ", " != ", " and ", " or ", ", ")


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    unary = st.builds(lambda f, a: f"{f}({a})", st.sampled_from(UNARY), inner)
    binary = st.builds(lambda a, f, b: f"({a}){f}({b})", inner, st.sampled_from(BINARY), inner)
    flat = st.builds(lambda a, f, b: f"{a}{f}{b}", inner, st.sampled_from(BINARY), inner)
    choice = st.builds(lambda a, b, c, d: f"piecewise({a}, {b} < {c}, {d})", inner, inner, inner, inner)
    extreme = st.builds(lambda f, a, b: f"{f}({a}, {b})", st.sampled_from(["max", "min", "pow"]), inner, inner)
    # The same again and again: what nests without end.
    nested = st.builds(_nested, st.sampled_from(UNARY), st.sampled_from(UNARY), inner, st.integers(2, 18))
    return unary | binary | flat | choice | extreme | nested


def _nested(outer: str, inner: str, core: str, times: int) -> str:
    for _ in range(times):
        core = f"{outer}({inner}({core}))"
    return core[:12_000]


@st.composite
def formulas(draw: st.DrawFn) -> str:
    """A formula of the language, with some characters changed now and then."""
    text = draw(st.recursive(st.sampled_from(ATOMS), _grown, max_leaves=12))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        piece = draw(
            st.sampled_from([*"()[]^*+-.,<>=!&|'\"%\\ \n\0é²", "", "**", "1e", "0x", "__", "lambda", "sin", "²"])
        )
        text = text[:at] + piece + text[at + draw(st.integers(0, 2)) :]
    return text


LONGEST_PARSE = 2.0
"""Seconds of work that a formula may take."""


def check_formula(text: str) -> None:
    """A ModelError, or an expression of known names that can be computed, and whose derivatives can."""
    names = ("x", "y", "k", "x_0")
    begun = time.process_time()
    try:
        formula = parse_formula(text, names, "f")
    except ModelError as error:
        assert len(error.faults) == 1
        assert len(str(error)) < 1000
        return
    finally:
        seconds = time.process_time() - begun
    assert seconds < LONGEST_PARSE, f"{seconds:.1f} s for {text!r}"
    assert {s.name for s in formula.free_symbols} <= {*names, "t"}
    if len(text) > 400:  # what is computed from it is long then
        return
    ((slope,),) = derivatives([formula], ["x"])
    arguments = (*names, "t")
    value, _ = numpy_function([formula, slope], arguments)(0.3, -1.2, 2.0, 0.5, 1.0)
    assert np.ndim(value) == 0


# -- tables

CELLS = (
    "",
    "0",
    "1",
    "-1",
    "0.5",
    "<0.5",
    ">2",
    "<",
    "nan",
    "NA",
    "inf",
    "1e999",
    "1e-320",
    "1e308",
    "A",
    "B",
    "A#2",
    "é",
)
CELLS += (
    "1,5",
    '"',
    '""',
    '"a',
    "x",
    "y",
    "2",
    "3",
    "99999999999",
    "\x1b[0m",
    "\0",
    " ",
    "1_0",
    "0x1",
    "value",
    "time",
    "#",
)
PIECES = ("\n", "\r", "\r\n", ",", ";", "\t", '"', "\0", "\ufeff", "é", "\u2028", "\x0c", "#", " ", "1", "")


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, bytes]:
    """(which of FILES it was, its bytes): cells, rows and characters changed, or bytes that are no text."""
    name = draw(st.sampled_from(sorted(FILES)))
    text = FILES[name]
    delimiter = ";" if ";" in text else ","
    rows = [row.split(delimiter) for row in text.splitlines()]
    for _ in range(draw(st.integers(0, 4))):
        row = draw(st.integers(0, len(rows) - 1))
        match draw(st.sampled_from(["cell", "cell", "drop", "again", "shorter", "longer", "swap"])):
            case "cell" if rows[row]:
                rows[row][draw(st.integers(0, len(rows[row]) - 1))] = draw(st.sampled_from(CELLS))
            case "drop" if len(rows) > 1:
                del rows[row]
            case "again":
                rows.insert(row, list(rows[draw(st.integers(0, len(rows) - 1))]))
            case "shorter":
                rows[row] = rows[row][:-1]
            case "longer":
                rows[row] = [*rows[row], draw(st.sampled_from(CELLS))]
            case "swap":
                rows.append(rows.pop(row))
    text = "\n".join(map(delimiter.join, rows)) + "\n"
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + draw(st.integers(0, 1)) :]
    data = text.encode()
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=4)) + data[at:]
    return name, data


READERS: dict[str, Callable[[Path], Any]] = {
    **{name: lambda path: read_table(path, observables=["x", "y"]) for name in ("d.csv", "long.csv", "many.csv")},
    "table.csv": read_conditions,
    "doses.csv": lambda path: read_doses(path, default_state="x"),
    "u.csv": lambda path: read_input(path, "u", name="u", interpolation="cubic"),
}


def check_table(name: str, data: bytes, folder: Path) -> None:
    """A DataError, or what the table is to hold, sound."""
    path = folder / name
    path.write_bytes(data)
    try:
        found = READERS[name](path)
    except InputError as error:
        check_faults(error)
        return
    if name == "doses.csv":
        assert found
        assert all(math.isfinite(x) for row in found for x in (row.dose.time, row.dose.amount, row.dose.duration))
    elif name == "table.csv":
        assert found.experiments
        assert all(math.isfinite(x) for column in found.constants.values() for x in column.values())
    elif name == "u.csv":
        assert found
        assert all(np.isfinite(f.coefficients).all() and (np.diff(f.knots) > 0).all() for f in found.values())
    else:
        assert found
        for e in found:
            assert e.values.shape == (len(e.times), 2)
            assert np.isfinite(e.times).all()
            assert (np.diff(e.times) > 0).all()
            assert e.start <= e.times[0]
            assert not np.isinf(e.values).any()
            assert e.sigma is None or (np.isnan(e.sigma) | (e.sigma > 0)).all()

"""Formulas that are large, or that hold the same part again and again: the work grows with the parts, once each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from odefit.algebra import preorder_traversal
from odefit.config.load import load_config
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.diffsol.diffsl import (
    MAX_OPERATIONS,
    MAX_UNASKED,
    TooLarge,
    diffsl_code,
    operations,
    seconds_to_compile,
)
from odefit.engines.kernel import machine
from odefit.engines.kernel.kernel_engine import KernelEngine
from odefit.engines.torch_engine import TorchEngine
from odefit.errors import ConfigError, ModelError
from odefit.model import operators
from odefit.model.formulas import parse_formula
from odefit.model.functions import derivatives, numpy_function, torch_function
from odefit.model.system import System, symbol
from odefit.problem.equations import MAX_LINEAR
from odefit.problem.events import MAX_EVENTS
from odefit.problem.systems import describe_system


def parts(formulas: Iterable[Any]) -> int:
    """How many arguments all distinct parts have together."""
    found, waiting = set[Any](), list(formulas)
    while waiting:
        part = waiting.pop()
        if part not in found:
            found.add(part)
            waiting += part.args
    return sum(len(part.args) for part in found)


def test_the_derivatives_of_a_long_product_share_their_halves() -> None:
    """Written out, the product rule has n^2 factors: 250,000 here."""
    n = 500
    names = ["x", *(f"p{i}" for i in range(n))]
    product = parse_formula("*".join(f"(x+p{i})" for i in range(n)), names)
    [row] = derivatives([product], names)
    assert parts(row) < 40 * n
    values = np.random.default_rng(0).uniform(0.9, 1.1, n + 1) - 0.5 * np.eye(1, n + 1)[0]
    factors = values[0] + values[1:]
    total = np.prod(factors)
    expected = np.concatenate([[np.sum(total / factors)], total / factors])
    found = numpy_function(row, names)(*values)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_a_function_of_a_long_product_keeps_the_halves() -> None:
    names = [f"p{i}" for i in range(300)]
    [row] = derivatives([parse_formula(f"sin({'*'.join(names)})^2", names)], names)
    assert parts(row) < 40 * len(names)
    values = np.random.default_rng(1).uniform(0.95, 1.05, len(names))
    tensors = [torch.tensor(v, requires_grad=True) for v in values]
    [value] = torch_function([parse_formula(f"sin({'*'.join(names)})^2", names)], names)(*tensors)
    assert isinstance(value, torch.Tensor)
    expected = [g.item() for g in torch.autograd.grad(value, tensors)]
    np.testing.assert_allclose(numpy_function(row, names)(*values), expected, rtol=1e-10)


def woven(levels: int) -> Any:
    """Each level holds the one before twice: 2^levels parts when they are taken one by one."""
    value = symbol("x")
    for _ in range(levels):
        value = operators.sin(value) + operators.cos(value)
    return value


def test_a_part_is_looked_at_once_however_often_it_stands_there() -> None:
    """Three parts a level, of 4,096 and more when they are taken one by one."""
    levels = 12
    formula = woven(levels)
    assert formula.free_symbols == {symbol("x")}
    assert len(list(preorder_traversal(formula))) == 3 * levels + 1
    [[slope]] = derivatives([formula], ["x"])
    assert parts([slope]) < 20 * levels
    value, change = (float(v) for v in numpy_function([formula, slope], ["x"])(0.3))
    x, dx = 0.3, 1.0
    for _ in range(levels):
        x, dx = np.sin(x) + np.cos(x), (np.cos(x) - np.sin(x)) * dx
    assert value == pytest.approx(x, rel=1e-12)
    assert change == pytest.approx(dx, rel=1e-9)


def one_state(text: str) -> System:
    names = ("x", "k")
    return System("s", ("x",), ("k",), {"x": parse_formula(text, names)}, {"x": symbol("k")}, {"x": symbol("x")})


LARGE = one_state("+".join(f"atan({i}*x)" for i in range(1, 70)))
"""About 3,000 operations once every arctangent is written in the compiler's own functions."""


def test_the_kernel_compiles_them_unasked() -> None:
    pytest.importorskip("llvmlite")
    engine = make_engine(LARGE, SolverOptions())
    assert isinstance(engine, KernelEngine)
    assert engine.notes == []


def test_equations_that_compile_slowly_go_to_torch_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available", lambda: (False, "llvmlite cannot be imported"))
    engine = make_engine(LARGE, SolverOptions())
    assert isinstance(engine, TorchEngine)
    [note] = engine.notes
    assert re.search(r"too large to be compiled unasked \(about [\d,]+ operations .*\), so torchdiffeq's dopri5", note)


def test_who_asks_for_a_slow_compilation_is_told_how_long_it_takes() -> None:
    engine = make_engine(LARGE, SolverOptions(method="bdf"))
    assert not isinstance(engine, TorchEngine)
    [note] = engine.notes
    assert re.search(r"to compile them takes about \d+ seconds, in every process", note)
    assert make_engine(one_state("-k*x"), SolverOptions()).notes == []


def test_the_size_of_a_program_counts_what_functions_are_rewritten_to() -> None:
    code = diffsl_code(LARGE)
    assert MAX_UNASKED < operations(code) < MAX_OPERATIONS
    assert operations(code) > 2000 > operations(diffsl_code(one_state("sin(" * 48 + "x" + ")" * 48)))
    assert seconds_to_compile(code) > 10
    long = "+".join(f"atan({i}*x)" for i in range(1, 200))
    with pytest.raises(TooLarge, match="too many to compile") as told:
        make_engine(one_state(long), SolverOptions(method="tsit45"))
    assert "solver.method: dopri5" in str(told.value)


@pytest.mark.parametrize(
    "model, phrase",
    [
        (
            f"{{name: linear, states: [{', '.join(f's{i}' for i in range(MAX_LINEAR + 1))}]}}",
            f"model.states: .* at most {MAX_LINEAR} states",
        ),
        (
            f"{{equations: {{x: -x}}, events: [{{time: [{', '.join(map(str, range(MAX_EVENTS)))}], set: {{x: 1}}}}, "
            "{time: 0.5, set: {x: 2}}]}",
            r"model.events: at most 10,000 in all \(got 10,001\)",
        ),
    ],
)
def test_models_too_large_to_be_fitted_are_refused_at_once(model: str, phrase: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"model: {model}\ndata: {{csv: d.csv}}\n")
    with pytest.raises(ConfigError, match=phrase):
        describe_system(load_config(tmp_path / "c.yaml"))


def test_an_event_that_comes_again_is_compiled_once() -> None:
    from odefit.data.experiments import Experiment
    from odefit.model.system import Event

    x, k = symbol("x"), symbol("k")
    events = tuple(Event(operators.sp.Float(0.1 * (i + 1)), {"x": x + k}) for i in range(9))
    system = System("s", ("x",), ("k",), {"x": -x}, {"x": k}, {"x": x}, events=events)
    engine = make_engine(system, SolverOptions(), ["k"])
    calls = []
    import odefit.engines.segments.saltation as walk
    from odefit.engines.segments.plan import Plan

    original = walk.sloped_function
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plan, "compiled", lambda *_: None)  # from segment to segment
        patch.setattr(walk, "sloped_function", lambda *a: calls.append(a) or original(*a))  # type: ignore[func-returns-value]
        times = np.array([0.0, 1.0])
        [found] = engine.solve(
            np.array([[2.0]]), [Experiment("1", times, np.full((2, 1), np.nan), 0.0)], sensitivities=True
        )
    expected = 2 * (np.exp(-1) + sum(np.exp(-(1 - 0.1 * (i + 1))) for i in range(9)))
    assert found.y[-1, 0] == pytest.approx(expected, rel=1e-5)
    changes = [formulas for formulas, *_ in calls if x + k in formulas]
    assert len(changes) == 1


def test_roots_in_roots_are_limited() -> None:
    inside = "asin(" + "tanh(sqrt(" * 3 + "x" + "))" * 3 + ")"
    f = parse_formula(inside, ("x",))
    value, slope = numpy_function([f, *derivatives([f], ("x",))[0]], ("x",))(0.5)
    assert 0 < float(value) < 1
    h = 1e-6
    low, high = (float(numpy_function([f], ("x",))(0.5 + d)[0]) for d in (-h, h))
    assert float(slope) == pytest.approx((high - low) / (2 * h), rel=1e-6)
    for root in ("sqrt({})", "({})^0.3", "({})^n"):
        deep = "x"
        for _ in range(4):
            deep = root.format(f"1 + tanh({deep})")
        with pytest.raises(ModelError, match="more than 3 deep in each other"):
            parse_formula(deep, ("x", "n"))
